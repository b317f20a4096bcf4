"""Options that several verbs share."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.errors import CheckpointError, ConfigError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pellucid.inference import Restorer
    from pellucid.inference.files import FileResult

Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A name from 'pellucid models', or a checkpoint file.")
]
Task = Annotated[str | None, typer.Option("--task", "-t", help="What is wrong with the picture. Default: denoise.")]
Tile = Annotated[str, typer.Option("--tile", help="auto, off, or the side of tiles in pixels.")]
Overlap = Annotated[int, typer.Option("--overlap", help="Pixels by which neighbouring tiles overlap.")]
Precision = Annotated[str, typer.Option("--precision", help="fp32, bf16 or fp16.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps ...")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", help="Where to write.")]


def parse_tile(tile: str) -> str | int:
    """``"auto"``, ``"off"`` or a number.

    Raises:
        ConfigError: anything else.
    """
    if tile in ("auto", "off"):
        return tile
    if tile.isdecimal():
        return int(tile)
    raise ConfigError(f"--tile takes auto, off or a number of pixels, not '{tile}'")


def load_restorer(
    model: str | None,
    task: str | None,
    *,
    tile: str = "auto",
    overlap: int = 64,
    precision: str = "fp32",
    device: str = "auto",
) -> "tuple[Path, Restorer]":
    """The weights that the options mean, and a restorer with them.

    Raises:
        ConfigError, ModelError: options that mean nothing, or weights that cannot be loaded.
    """
    from pellucid.checkpoints import load_network
    from pellucid.inference import Restorer
    from pellucid.memory import keep_freed_memory
    from pellucid.zoo import find_model

    keep_freed_memory()  # the process is ours; a library must not decide this for its caller
    weights = find_model(model, task)
    try:
        network = load_network(weights)
    except CheckpointError as error:
        raise ConfigError(str(error)) from error
    return weights, Restorer(network, tile=parse_tile(tile), overlap=overlap, precision=precision, device=device)


def show_results(
    results: "Iterable[FileResult]", *, on_result: "Callable[[FileResult], None]", quiet: bool
) -> "list[FileResult]":
    """Print where each picture went, as it is done, unless quiet; and what went wrong, always."""
    shown: list[FileResult] = []
    for result in results:
        shown.append(result)
        on_result(result)
        if result.error:
            typer.echo(_printable(f"pellucid: {result.error}"), err=True)
        elif not quiet:
            typer.echo(_printable(result.target))
    return shown


def _printable(text: str | None) -> str:
    """File names that are not valid Unicode, spelt so that any terminal takes them."""
    return str(text).encode(errors="backslashreplace").decode()


def check_replaceable(path: Path, suffix: str, *, overwrite: bool) -> None:
    """Refuse, before the work, a file of results that could not be written or would cost a file.

    Raises:
        ConfigError: it is a folder or in none, or it exists and is not to be replaced, or has another ending.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: results need a file name in a folder that exists")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: exists already; --overwrite replaces it")
    if path.exists() and path.suffix.lower() != suffix:
        raise ConfigError(f"{path}: only a {suffix} file is ever replaced by these results")


def write_text(path: Path, text: str) -> None:
    """Write a file of results, whole or not at all.

    Raises:
        ImageError: it cannot be written.
    """
    from pellucid.atomic import replacing

    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror}") from None


def to_json(value: Any) -> str:
    """Indented JSON, in which an infinite number (the PSNR of equal pictures) is null: JSON has none."""
    return json.dumps(_finite(value), indent=2, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
