"""Exported files, run by the libraries they are for, on the CPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid.errors import MissingExtraError

Images = NDArray[np.float32]
Run = Callable[[Images], Images]
"""From images (B, C, H, W) to images of the same size."""

OPENVINO_TYPES = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def open_onnx(path: Path) -> Run:
    """A file in ONNX Runtime, on as many threads as PyTorch uses.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("Running ONNX files", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised as well
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _with_memory_errors(lambda images: np.asarray(session.run(None, {name: images})[0]))


def open_openvino(path: Path, *, weights: Path | None = None, precision: str = "fp32") -> Run:
    """A file, its own or ONNX, in OpenVINO, on as many threads as PyTorch uses.

    Args:
        path: of the ``.xml`` or ``.onnx``.
        weights: of the ``.bin``, if it is not called as the ``.xml``.
        precision: in which it may compute; the processor may not have it.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    core = openvino().Core()
    model = core.read_model(path, weights) if weights else core.read_model(path)
    settings = {
        "INFERENCE_PRECISION_HINT": OPENVINO_TYPES[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # a pinned thread waits for its core when another program has it
    }
    compiled = core.compile_model(model, "CPU", settings)
    return _with_memory_errors(lambda images: compiled(images)[0])


def openvino() -> Any:
    """The library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise MissingExtraError("OpenVINO", "openvino") from None
    return openvino


def _with_memory_errors(run: Run) -> Run:
    """The same, whose lack of memory is called as Python calls it."""

    def guarded(images: Images) -> Images:
        try:
            return run(images)
        except Exception as error:  # ONNX Runtime's kinds are no RuntimeErrors
            if "alloc" in str(error).lower() or "out of memory" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise

    return guarded
