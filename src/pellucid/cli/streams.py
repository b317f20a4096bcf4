"""``-``: a picture from standard input, a picture to standard output."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.options import in_flags
from pellucid.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from pellucid.files import FileResult, Plan

STREAM = "-"
CHUNK = 2**20
BYTES_PER_PIXEL = 16  # colour and transparency in 32 bits each: what goes on for longer is no picture within the limit


@dataclass(frozen=True)
class Streams:
    """Files that stand for the standard streams.

    Attributes:
        inputs, output: as they were given, with files in the place of ``-``.
        is_output: whether the result goes to standard output.
    """

    inputs: list[str]
    output: str | None
    is_output: bool
    _input: str | None

    def checked(self, on_plan: "Callable[[Plan], None]") -> "Callable[[Plan], None]":
        """A function that refuses a plan that standard output cannot hold, and passes any other on."""

        def check(plan: "Plan") -> None:
            if self.is_output and len(plan.jobs) > 1:
                raise ConfigError(f"standard output takes one picture, not {len(plan.jobs)}; name a folder with -o")
            on_plan(plan)

        return check

    def named(self, result: "FileResult") -> "FileResult":
        """A result as the user knows it."""
        error = result.error
        if self._input and result.source == self._input:
            error = error and error.replace(self._input, "standard input")
            result = replace(result, source=STREAM)
        if self.is_output and result.target:
            result = replace(result, target=STREAM)
        warnings = tuple(map(in_flags, result.warnings))
        return replace(result, error=error and in_flags(error), warnings=warnings)


@contextmanager
def standard_streams(
    inputs: list[str], output: str | None, *, max_pixels: int, as_json: bool = False
) -> Generator[Streams]:
    """Put files in the place of ``-``; in the end, send the result to standard output if it is meant for that.

    Args:
        inputs, output: of the command; without an output, the result of standard input goes to standard output.
        max_pixels: limits what is read.
        as_json: standard output is taken.

    Raises:
        ConfigError: the streams cannot be used like that.
        ImageError: the input ends nowhere, or the output takes no more.
    """
    is_output = output == STREAM or (output is None and STREAM in inputs)
    _check_usage(inputs, is_output=is_output, as_json=as_json)
    if STREAM not in inputs and not is_output:
        yield Streams(inputs, output, False, None)
        return
    with tempfile.TemporaryDirectory(prefix="pellucid-") as name:
        folder = Path(name)
        spooled = str(_spool(folder, max_pixels)) if STREAM in inputs else None
        results = folder / "results"
        yield Streams(
            [spooled if spooled and each == STREAM else each for each in inputs],
            f"{results}/" if is_output else output,
            is_output,
            spooled,
        )
        if is_output and results.is_dir():
            for result in (path for path in results.rglob("*") if path.is_file()):
                _send(result)


def _check_usage(inputs: list[str], *, is_output: bool, as_json: bool) -> None:
    if inputs.count(STREAM) > 1:
        raise ConfigError("standard input holds one picture; name '-' once")
    if is_output and len(inputs) > 1:
        raise ConfigError("standard output takes one picture; name a folder with -o")
    if is_output and as_json:
        raise ConfigError("standard output takes a picture or JSON, not both; --report writes the JSON to a file")
    if is_output and sys.stdout.isatty():
        raise ConfigError("standard output is a terminal; send the picture to a file, as in '> out.png'")
    if STREAM in inputs and sys.stdin.isatty():
        raise ConfigError("standard input is a terminal; send it a picture, as in '< photo.jpg'")


def _spool(folder: Path, max_pixels: int) -> Path:
    """Keep standard input in a file, as decoders go back and forth."""
    from pellucid.imaging.formats import HEAD_BYTES, format_of

    source, path = sys.stdin.buffer, folder / "stdin"
    left = max_pixels * BYTES_PER_PIXEL
    try:
        head = source.read(CHUNK)
        format = format_of(head[:HEAD_BYTES], path)
        path = path.with_suffix(format.suffixes[0] if format else "")  # which the output's follows
        with path.open("wb") as file:
            while head and left >= 0:
                file.write(head)
                left -= len(head)
                head = source.read(CHUNK)
    except OSError as error:
        raise ImageError(f"standard input: cannot be kept in {folder} ({error.strerror})") from None
    if head:
        raise ImageError("standard input: goes on for longer than any picture within --max-megapixels")
    return path


def _send(path: Path) -> None:
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        with suppress(OSError), Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())  # or the rest would be tried, in vain, when Python ends
        raise ImageError(f"standard output: cannot be written ({error.strerror})") from None
