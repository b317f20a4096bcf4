"""Options that several verbs share."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.errors import CheckpointError, ConfigError, ImageError
from pellucid.zoo.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pellucid.files import FileOptions, FileResult
    from pellucid.inference import Restorer

Inputs = Annotated[
    list[str], typer.Argument(metavar="IN...", help="Pictures, folders or glob patterns; - is standard input.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="A file, a folder, or - for standard output. Default: beside each file; for a folder, FOLDER_SUFFIX.",
    ),
]
Suffix = Annotated[str, typer.Option(help="Added to names when there is no -o: photo_SUFFIX.jpg, folder_SUFFIX/.")]
Format = Annotated[
    str | None, typer.Option("--format", "-f", help="Of the results: jpg, png, tiff ... Default: as the input.")
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality", help="1 to 100, of JPEG, WebP, AVIF and HEIC. Default: fine enough to keep what restoring gains."
    ),
]
Compression = Annotated[
    str | None,
    typer.Option("--compression", help="Of TIFF: none, deflate, zstd or lzw; of WebP, AVIF and HEIC: lossless."),
]
Background = Annotated[
    str,
    typer.Option("--background", help="Colour below transparent parts where a format has none: a name, or '#rrggbb'."),
]
White = Annotated[
    float | None,
    typer.Option("--white", help="The sample that means white, where the file does not say: 1023 for 10 bits in 16."),
]
NoData = Annotated[
    float | None, typer.Option("--no-data", help="The sample that means that nothing is known there, such as -9999.")
]
Date = Annotated[str, typer.Option("--date", help="Of the results: keep, as their input, or now.")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A name from 'pellucid models', or a checkpoint file.")
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        "-t",
        help=f"What is wrong with the picture: {', '.join(name for name, task in TASKS.items() if task.weights)}."
        f" Default: {DEFAULT}.",
    ),
]
Tile = Annotated[str, typer.Option("--tile", help="auto, off, or the side of tiles in pixels.")]
Overlap = Annotated[int, typer.Option("--overlap", help="Pixels by which neighbouring tiles overlap.")]
Precision = Annotated[str, typer.Option("--precision", help="auto, fp32, high, bf16 or fp16.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps ...")]
Backend = Annotated[
    str, typer.Option("--backend", help="What runs the network: auto, torch, compile, onnx or openvino.")
]
KeepClean = Annotated[
    bool,
    typer.Option(help="Give pictures back as they are where nothing is found to mend; change them less where unsure."),
]
Together = Annotated[
    bool, typer.Option("--together", help="Decide once for all files whether to change them: they are a film's frames.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Pass over inputs whose outputs exist.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="As --skip-existing, but make outputs again that are damaged or do not fit.")
]
MaxMegapixels = Annotated[
    float | None, typer.Option("--max-megapixels", help="Refuse larger pictures, before decoding. Default: 1000.")
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds for each picture; 0 is no limit.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", help="Where to write.")]

REPEATED = 20  # failures that are named once more in the end
CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


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
    precision: str = "auto",
    device: str = "auto",
    keep_clean: bool = True,
    backend: str = "auto",
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
    restorer = Restorer(
        network,
        tile=parse_tile(tile),
        overlap=overlap,
        precision=precision,
        device=device,
        keep_clean=keep_clean,
        backend=backend,
    )
    return weights, restorer


def file_options(
    *,
    suffix: str,
    format: str | None,
    overwrite: bool,
    skip_existing: bool,
    resume: bool,
    max_megapixels: float | None,
    timeout: float,
    quality: int | None,
    compression: str | None,
    background: str,
    white: float | None,
    no_data: float | None,
    date: str,
    together: bool = False,
) -> "FileOptions":
    """How files are to be named, read and written.

    Raises:
        ConfigError: options that exclude each other, or a limit that nothing could keep.
    """
    from pellucid.files.options import Existing, FileOptions
    from pellucid.imaging import MAX_PIXELS, Saving

    if overwrite + skip_existing + resume > 1:
        raise ConfigError("--overwrite, --skip-existing and --resume exclude each other; choose one")
    existing: Existing = "overwrite" if overwrite else "skip" if skip_existing else "resume" if resume else "refuse"
    megapixels = MAX_PIXELS / 1e6 if max_megapixels is None else max_megapixels
    if not math.isfinite(megapixels):
        raise ConfigError(f"--max-megapixels takes a number, not {megapixels}")
    if date not in ("keep", "now"):
        raise ConfigError(f"--date takes keep or now, not '{date}'")
    return FileOptions(
        suffix=suffix,
        format=format,
        existing=existing,
        max_pixels=round(megapixels * 1e6),
        timeout=timeout,
        saving=Saving(quality=quality, compression=compression, background=_colour(background)),
        white=white,
        no_data=no_data,
        keep_date=date == "keep",
        together=together,
    )


def _colour(name: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour as CSS names it."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        raise ConfigError(f"--background takes a colour such as white or '#ff8800', not '{name}'") from None
    return red, green, blue


def show_results(
    results: "Iterable[FileResult]",
    *,
    into: "list[FileResult]",
    on_result: "Callable[[FileResult], None]",
    quiet: bool,
    keep: bool,
) -> None:
    """Print where each picture went, as it is done, unless quiet; and what went wrong, always, and again in the end.

    All results go ``into`` a list if they are to be kept; otherwise those that failed, for there may be very many.
    """
    failed: list[str] = []
    count = skipped = 0
    try:
        for result in results:
            count += 1
            skipped += result.skipped
            on_result(result)
            if keep or result.error:
                into.append(result)
            if result.error:
                failed.append(printable(result.error))
                typer.echo(f"pellucid: {failed[-1]}", err=True)
            elif not quiet and not result.skipped:
                typer.echo(printable(str(result.target)))
    except (KeyboardInterrupt, SystemExit):
        typer.echo(f"pellucid: stopped after {count} files; what is written is whole, and --resume goes on", err=True)
        raise
    if skipped:
        typer.echo(f"pellucid: {skipped} of {count} skipped, as their outputs exist", err=True)
    if failed and count > 1:
        typer.echo(f"pellucid: {len(failed)} of {count} failed:", err=True)
        more = [f"and {len(failed) - REPEATED} more, named above"] if len(failed) > REPEATED else []
        typer.echo("\n".join(f"  {line}" for line in failed[:REPEATED] + more), err=True)


def printable(text: str) -> str:
    """A line that any terminal takes, whatever the names of files in it: control characters are spelt out."""
    return text.translate(CONTROLS).encode(errors="backslashreplace").decode()


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
