"""A network as another library runs it, from a file that is made when first needed and kept in the user's cache."""

import hashlib
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from pellucid import __version__
from pellucid.atomic import cache_folder, replacing
from pellucid.errors import ExportError
from pellucid.inference.export.check import check
from pellucid.inference.export.files import onnx_model, write_onnx
from pellucid.inference.export.runtimes import Run, open_onnx, open_openvino, openvino
from pellucid.inference.identity import identity

log = logging.getLogger(__name__)


def open_exported(network: nn.Module, backend: str, precision: str) -> Callable[[Tensor], Tensor]:
    """A network in ONNX Runtime, which computes in float32, or in OpenVINO, on the CPU.

    Raises:
        MissingExtraError, ExportError: as ``export_onnx``.
    """
    if backend == "openvino":
        openvino()  # before the work of exporting
    path = cached_onnx(network, open_onnx if backend == "onnx" else open_openvino)
    run = _open(backend, path, precision, torch.get_num_threads())
    return lambda images: torch.from_numpy(run(images.contiguous().numpy()))


def cached_onnx(network: nn.Module, open_file: Callable[[Path], Run]) -> Path:
    """The network's ONNX file in the cache, made there if it is new, and checked by the library that wants it.

    Raises:
        ExportError: it cannot be exported, or the cache cannot be written.
    """
    versions = (__version__, torch.__version__, version("onnxscript"))
    key = hashlib.sha256(" ".join((identity(network), *versions)).encode()).hexdigest()[:24]
    path = cache_folder("exported") / f"{key}.onnx"
    if path.exists():
        return path
    started = time.monotonic()
    log.warning("exporting the network, which takes about half a minute, once; it is kept in %s", path.parent)
    model = onnx_model(network)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            write_onnx(model, temporary)
            check(network, open_file(temporary), "fp32")
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}") from error
    log.info("exported in %.0f s", time.monotonic() - started)
    return path


@lru_cache(maxsize=4)
def _open(backend: str, path: Path, precision: str, threads: int) -> Run:
    """A file that is opened, which takes up to a second, once for so many threads."""
    return open_onnx(path) if backend == "onnx" else open_openvino(path, precision=precision)
