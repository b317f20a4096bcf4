"""Exported files: written whole or not at all, with what they are inside, and run before they are kept."""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from pellucid import __version__
from pellucid.atomic import replacing
from pellucid.checkpoints import build_network, open_checkpoint
from pellucid.errors import ConfigError, ExportError, did_you_mean
from pellucid.inference.export.check import check
from pellucid.inference.export.graph import BF16_OPSET, INPUT, capture, simplify
from pellucid.inference.export.runtimes import open_onnx, open_openvino, openvino
from pellucid.models.registry import family_of
from pellucid.zoo import find_model

if TYPE_CHECKING:
    import onnx_ir as ir

PRECISIONS = ("fp32", "fp16", "bf16")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written and checked.

    Attributes:
        path: of the file; OpenVINO's weights are beside it, in a ``.bin``.
        precision: of its arithmetic; for OpenVINO, of its stored weights.
        differences: the greatest from PyTorch in float32, on the scale of [0, 1], by the picture's size.
    """

    path: Path
    precision: str
    differences: dict[str, float]

    @property
    def difference(self) -> float:
        """The greatest of all."""
        return max(self.differences.values())


def export_model(
    model: str | PathLike[str] | None = None,
    path: str | PathLike[str] | None = None,
    *,
    task: str | None = None,
    format: str = "onnx",
    precision: str = "fp32",
    overwrite: bool = False,
) -> Exported:
    """Write a bundled model or a checkpoint for other programs to run.

    Args:
        model: a name from ``list_models``, or a checkpoint's path.
        path: where to; by default a file called after the model, in the current folder.
        task: instead of a model.
        format: "onnx" or "openvino".
        precision, overwrite: as for ``export_onnx`` and ``export_openvino``.

    Raises:
        ModelError, CheckpointError: no such model, or one that cannot be loaded.
        As ``export_onnx`` and ``export_openvino``.
    """
    if format not in SUFFIXES:
        raise ConfigError(f"format cannot be '{format}'.{did_you_mean(format, SUFFIXES)}")
    weights = find_model(model, task)
    suffix = "" if precision == "fp32" else f"-{precision}"
    target = Path(path) if path else Path(f"{weights.stem}{suffix}{SUFFIXES[format]}")
    write = export_onnx if format == "onnx" else export_openvino
    _check_target(target, precision, SUFFIXES[format], overwrite=overwrite)
    checkpoint = open_checkpoint(weights)
    about = {key: checkpoint.metadata[key] for key in ("task", "licence") if key in checkpoint.metadata}
    network = build_network(checkpoint)
    return write(network, target, precision=precision, about={"name": weights.stem, **about}, overwrite=overwrite)


def export_onnx(
    network: nn.Module,
    path: str | PathLike[str],
    *,
    precision: str = "fp32",
    about: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a network as one ONNX file, with its weights in it, for images of any number and size.

    Its input ``degraded`` is (batch, channels, height, width), float32, nominally in [0, 1], and so is its output
    ``restored``, which is not clamped. The file is run at three sizes before it is kept, in ONNX Runtime, or in
    OpenVINO where ONNX Runtime has no kernels (bf16).

    Args:
        network: from ``load_network`` or ``create_network``.
        path: ends in ``.onnx``.
        precision: "fp32", or "fp16" or "bf16", in which all is computed but normalisations, softmaxes and the last sum.
        about: goes into the file's metadata, beside family, config and working side.
        overwrite: replace a file that exists.

    Raises:
        ConfigError: no such precision, or a path that cannot be written to.
        MissingExtraError: the libraries are not installed.
        ExportError: the network cannot be traced, or the file does not give its values.
    """
    path = Path(path)
    _check_target(path, precision, ".onnx", overwrite=overwrite)
    model = onnx_model(network, precision, about)
    with _writing(path), replacing(path) as temporary:
        write_onnx(model, temporary)
        run = open_openvino(temporary) if precision == "bf16" else open_onnx(temporary)
        differences = check(network, run, precision)
    return Exported(path=path, precision=precision, differences=differences)


def export_openvino(
    network: nn.Module,
    path: str | PathLike[str],
    *,
    precision: str = "fp32",
    about: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a network in OpenVINO's format: an ``.xml``, and its weights in a ``.bin`` beside it.

    Inputs, outputs and errors are those of ``export_onnx``. OpenVINO chooses by itself in what to compute.

    Args:
        network, about, overwrite: as for ``export_onnx``.
        path: ends in ``.xml``.
        precision: of the stored weights, "fp32" or "fp16".
    """
    path = Path(path)
    library = openvino()
    if precision == "bf16":
        raise ConfigError("OpenVINO stores fp32 or fp16; bf16 is chosen where it runs, by INFERENCE_PRECISION_HINT")
    _check_target(path, precision, ".xml", overwrite=overwrite)
    _check_target(path.with_suffix(".bin"), precision, ".bin", overwrite=overwrite)
    model = onnx_model(network, "fp32", about)
    with _writing(path), replacing(path) as temporary, replacing(path.with_suffix(".bin")) as weights:
        converted = library.Core().read_model(_serialised(model))
        for key, value in model.metadata_props.items():
            converted.set_rt_info(value, ["pellucid", key])
        library.save_model(converted, temporary, compress_to_fp16=precision == "fp16")
        temporary.with_suffix(".bin").replace(weights)
        differences = check(network, open_openvino(temporary, weights=weights), precision)
    return Exported(path=path, precision=precision, differences=differences)


def onnx_model(network: nn.Module, precision: str = "fp32", about: Mapping[str, str] | None = None) -> "ir.Model":
    """The graph of a network, in this precision, that says what it is."""
    model = simplify(capture(network))
    if precision != "fp32":
        from pellucid.inference.export.precision import to_half

        to_half(model, precision)
    if precision == "bf16":
        model.graph.opset_imports[""] = BF16_OPSET
    model.producer_name, model.producer_version = "pellucid", __version__
    model.metadata_props.update(_description(network, precision) | dict(about or {}))
    return model


def write_onnx(model: "ir.Model", path: Path) -> None:
    """One file, weights and all."""
    path.write_bytes(_serialised(model))


def _serialised(model: "ir.Model") -> bytes:
    import onnx_ir

    return onnx_ir.to_proto(model).SerializeToString()


def _description(network: nn.Module, precision: str) -> dict[str, str]:
    config = network.config
    described = {
        "family": family_of(config).name,
        "config": json.dumps(asdict(config)),  # pyright: ignore[reportArgumentType]
        "precision": precision,
        "input": f"{INPUT}: (batch, channels, height, width) in [0, 1], encoded as sRGB",
    }
    side = getattr(network, "working_side", None)
    return described if side is None else described | {"working_side": str(side)}


def _check_target(path: Path, precision: str, suffix: str, *, overwrite: bool) -> None:
    """Refuse, before the work, what could not be written or would cost a file."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not '{precision}'")
    if path.suffix.lower() != suffix:
        raise ConfigError(f"{path}: the name must end in {suffix}")
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: an exported network needs a file name in a folder that exists")
    if os.path.lexists(path) and not overwrite:
        raise ConfigError(f"{path}: exists already; `overwrite=True` replaces it")


@contextmanager
def _writing(path: Path) -> Generator[None]:
    """What the system says, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}") from error
