"""From a network to an ONNX graph, by ``torch.export``: batch, height and width are symbols in it."""

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pellucid.errors import ExportError, MissingExtraError

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 20  # the first with GELU
BF16_OPSET = 22  # the first whose convolutions take bfloat16; else the same
INPUT, OUTPUT = "degraded", "restored"
AXES = {0: "batch", 2: "height", 3: "width"}


def capture(network: nn.Module) -> "ir.Model":
    """The graph of a network, with parameters under their names in PyTorch, as it is traced.

    Takes 15 to 60 seconds: most goes into algebra with sizes.

    Args:
        network: from images (B, C, H, W) to images of the same size; is left as it is.

    Raises:
        MissingExtraError: ONNX's libraries are not installed.
        ExportError: PyTorch cannot trace it.
    """
    try:
        import onnxscript  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise MissingExtraError("Exporting", "onnx") from None
    network = deepcopy(network).cpu().eval()
    images = torch.zeros(2, int(network.config.in_channels), 48, 80)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    sizes = dict.fromkeys(AXES, torch.export.Dim.DYNAMIC)
    try:
        with _quiet(), _sizes_from_one():
            traced = torch.export.export(
                network, (images,), dynamic_shapes=(sizes,), prefer_deferred_runtime_asserts_over_guards=True
            )
            program = torch.onnx.export(
                traced,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                optimize=False,
                verbose=False,
            )
            assert program is not None  # as no file was named
            shape: Any = program.model.graph.inputs[0].shape
            program.rename_axes({shape[axis]: name for axis, name in AXES.items()})
    except Exception as error:  # each stage has its own kinds
        raise ExportError(f"this network cannot be exported: {str(error).strip().splitlines()[0][:200]}") from error
    _forget_source(program.model)
    return program.model


def _forget_source(model: "ir.Model") -> None:
    """Drop PyTorch's notes on each node: where in our source it came from, with the folders of this machine."""
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()


def simplify(model: "ir.Model") -> "ir.Model":
    """The same graph with what is constant computed: a third of the nodes, and OpenVINO crashes on the other."""
    from onnxscript import optimizer

    with _quiet():
        return optimizer.optimize(model)


@contextmanager
def _sizes_from_one() -> Generator[None]:
    """PyTorch's settings for tracing: a size of 1 is no special case, and shapes are not looked up in a cache.

    That cache costs a third of the time where shapes are symbols.
    """
    import torch._dynamo.config as dynamo
    import torch.fx.experimental._config as symbols

    with symbols.patch(backed_size_oblivious=True), dynamo.patch(fake_tensor_cache_enabled=False):  # pyright: ignore[reportAttributeAccessIssue]
        yield


@contextmanager
def _quiet() -> Generator[None]:
    """Without the libraries' remarks on what they do, and on what else could be installed."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.__trace", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
