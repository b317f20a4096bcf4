"""A network as another library runs it, from a file that is made when first needed and kept in the user's cache."""

import hashlib
import logging
import time
from collections.abc import Callable
from functools import cache, lru_cache, partial
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


def with_onnx(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """In ONNX Runtime, which computes in float32 on CPUs.

    Raises:
        MissingExtraError, ExportError: as ``export_onnx``.
    """
    return _forward(_open(open_onnx, cached_onnx(network, open_onnx), torch.get_num_threads()))


def with_openvino(network: nn.Module, precision: str) -> Callable[[Tensor], Tensor]:
    """In OpenVINO.

    Raises:
        MissingExtraError, ExportError: as ``export_onnx``.
    """
    openvino()  # before the work of exporting
    opening = _openvino(precision)
    return _forward(_open(opening, cached_onnx(network, open_openvino), torch.get_num_threads()))


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
def _open(open_file: Callable[[Path], Run], path: Path, threads: int) -> Run:
    """A file that is opened, which takes up to a second, once for so many threads."""
    return open_file(path)


@cache
def _openvino(precision: str) -> Callable[[Path], Run]:
    """How to open files in OpenVINO: the same function for the same precision."""
    return partial(open_openvino, precision=precision)


def _forward(run: Run) -> Callable[[Tensor], Tensor]:
    return lambda images: torch.from_numpy(run(images.contiguous().numpy()))
