"""The options that several verbs share: one row for each, and no defaults, which are in the library."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.rows import Row, Table
from pellucid.errors import CheckpointError, ConfigError
from pellucid.zoo.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    from pellucid.files import FileOptions
    from pellucid.inference import RestoreOptions, Restorer


def tile_of(text: str) -> str | int:
    """What ``RestoreOptions.tile`` is to be."""
    return int(text) if text.isdecimal() else text


def _pixels(megapixels: float) -> int:
    if not math.isfinite(megapixels):
        raise ConfigError(f"--max-megapixels takes a number, not {megapixels}")
    return round(megapixels * 1e6)


def _colour(name: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour as CSS names it."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        raise ConfigError(f"--background takes a colour such as white or '#ff8800', not '{name}'") from None
    return red, green, blue


def _keeps_date(date: str) -> bool:
    if date not in ("keep", "now"):
        raise ConfigError(f"--date takes keep or now, not '{date}'")
    return date == "keep"


KEPT = "Give pictures back as they are where nothing is found to mend; change them less where unsure."
RESTORING = Table(
    "pellucid:RestoreOptions",
    (
        Row("tile", str, "auto, off, or the side of tiles in pixels.", value=tile_of),
        Row("overlap", int, "Pixels by which neighbouring tiles overlap."),
        Row("precision", str, "auto, fp32, high, bf16 or fp16."),
        Row("device", str, "auto, cpu, cuda, cuda:1, mps ..."),
        Row("backend", str, "What runs the network: auto, torch, compile, onnx or openvino."),
        Row("keep_clean", bool, KEPT, ("--keep-clean/--no-keep-clean",)),
    ),
)
OVERWRITE = Row("existing", bool, "Replace outputs that exist.", ("--overwrite",), sets="overwrite")
LARGER = "Refuse larger pictures, before decoding."
AGAIN = "As --skip-existing, but make outputs again that are damaged or do not fit."
FINE = "1 to 100, of JPEG, WebP, AVIF and HEIC. Default: fine enough to keep what restoring gains."
DATED = "Of the results: keep, as their input, or now."
BELOW = "Colour below transparent parts where a format has none: a name, or '#rrggbb'."
FILES = Table(
    "pellucid:FileOptions",
    (
        Row("together", bool, "Decide once for all files whether to change them: they are a film's frames."),
        Row("suffix", str, "Added to names when there is no -o: photo_SUFFIX.jpg, folder_SUFFIX/."),
        Row("format", str, "Of the results: jpg, png, tiff ... Default: as the input.", ("--format", "-f")),
        OVERWRITE,
        Row("existing", bool, "Pass over inputs whose outputs exist.", ("--skip-existing",), sets="skip"),
        Row("existing", bool, AGAIN, ("--resume",), sets="resume"),
        Row("max_pixels", float, LARGER, ("--max-megapixels",), _pixels, lambda pixels: pixels / 1e6),
        Row("timeout", float, "Seconds for each picture; 0 is no limit."),
        Row("saving.quality", int, FINE),
        Row("saving.compression", str, "Of TIFF: none, deflate, zstd or lzw; of WebP, AVIF and HEIC: lossless."),
        Row("saving.background", str, BELOW, value=_colour, typed=lambda colour: "#{:02x}{:02x}{:02x}".format(*colour)),
        Row("white", float, "The sample that means white, where the file does not say: 1023 for 10 bits in 16."),
        Row("no_data", float, "The sample that means that nothing is known there, such as -9999."),
        Row("keep_date", str, DATED, ("--date",), _keeps_date, lambda keeps: "keep" if keeps else "now"),
    ),
)


def _bytes(gibibytes: float) -> int:
    return round(gibibytes * 2**30)


def _gibibytes(bytes: int) -> float:
    return bytes / 2**30


TOKEN = "What clients must bring: Authorization: Bearer TOKEN."
CALLED = "A name by which others call it."
FOREIGN = "A page that may use it, such as https://photos.example."
SERVING = Table(
    "pellucid.app.options:ServiceOptions",
    (
        Row("host", str, "Where to listen. Beyond this machine, a token is needed."),
        Row("port", int, "0 takes any that is free."),
        Row("token", str, TOKEN, environment="PELLUCID_TOKEN"),
        Row("insecure", bool, "Let everybody in who reaches HOST.", ("--insecure",)),
        Row("allowed_hosts", list[str], CALLED, ("--allow-host",), lambda names: tuple(names or ()), list),
        Row("allowed_origins", list[str], FOREIGN, ("--allow-origin",), lambda names: tuple(names or ()), list),
        Row("workers", int, "Processes that restore; each uses all cores."),
        Row("megapixels", float, "Of the largest picture.", ("--max-megapixels",)),
        Row("queued_megapixels", float, "Megapixels that may wait.", ("--queue",)),
        Row("seconds", float, "Seconds for each picture.", ("--timeout",)),
        Row("memory_bytes", float, "GiB that one worker may hold.", ("--memory",), _bytes, _gibibytes),
    ),
)
Restoring = Annotated["RestoreOptions", RESTORING]
Files = Annotated["FileOptions", FILES]
Overwrite = Annotated[bool, OVERWRITE.option]

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
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", help="Where to write.")]

ELSEWHERE = ("crop", "image", "model", "out", "overwrite", "pristine", "resume")  # options of single verbs
FLAGS = {
    **{row.field.split(".")[-1]: row.flag for row in (*RESTORING.rows, *FILES.rows, *SERVING.rows) if not row.sets},
    **{f"existing={row.sets!r}": row.flag for row in FILES.rows if row.sets},
    **{name: f"--{name}" for name in ELSEWHERE},
}


def in_flags(message: str) -> str:
    """A message of the library's in which options, which it names as in `white=1023`, are named as they are typed."""
    return re.sub("`([^`]+)`", _flag, message)


def _flag(match: "re.Match[str]") -> str:
    name, _, value = match[1].partition("=")
    if match[1] in FLAGS or name not in FLAGS:
        return FLAGS.get(match[1], match[0])
    flag = FLAGS[name].replace("--", "--no-") if value == "False" else FLAGS[name]
    return flag if value in ("True", "False") else f"{flag} {value}".replace("'", "")


def load_restorer(model: str | None, task: str | None, options: "RestoreOptions") -> "tuple[Path, Restorer]":
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
        return weights, Restorer(load_network(weights), options)
    except CheckpointError as error:
        raise ConfigError(str(error)) from error
