"""What verbs print and write in the end."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pellucid.cli.progress import FileProgress
    from pellucid.files import FileResult

REPEATED = 20  # failures that are named once more in the end
CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


def make_files(
    inputs: list[str],
    output: str | None,
    make: "Callable[..., Iterator[FileResult]]",
    bars: "FileProgress",
    *,
    described: dict[str, Any],
    max_pixels: int,
    as_json: bool,
    report: Path | None = None,
) -> None:
    """Print where each picture went, as it is done, or JSON in the end; and what went wrong, always, and again.

    Args:
        inputs, output: of the command.
        make: ``process_files`` or ``restore_files``, but for these two, ``on_plan`` and ``on_start``.
        bars: show how far it is.
        described: what the JSON says beside the files.
        max_pixels: limits what is read from standard input.
        as_json: print JSON.
        report: write it, though the run be stopped.

    Raises:
        typer.Exit: with 1, some failed.
    """
    from pellucid.cli.streams import standard_streams

    kept: list[FileResult] = []  # those that failed, or all: there may be very many
    failed: list[str] = []
    count = skipped = 0

    def summary() -> str:
        return to_json(described | {"files": [asdict(result) for result in kept]})

    try:
        with standard_streams(inputs, output, max_pixels=max_pixels, as_json=as_json) as streams, bars:
            for made in make(streams.inputs, streams.output, on_plan=streams.checked(bars.plan), on_start=bars.start):
                result = streams.named(made)
                count += 1
                skipped += result.skipped
                bars.finish(result)
                if as_json or report or result.error:
                    kept.append(result)
                if result.error:
                    failed.append(printable(result.error))
                    typer.echo(f"pellucid: {failed[-1]}", err=True)
                elif not (as_json or streams.is_output or result.skipped):
                    typer.echo(printable(str(result.target)))
    except (KeyboardInterrupt, SystemExit):
        typer.echo(f"pellucid: stopped after {count} files; what is written is whole, and --resume goes on", err=True)
        raise
    finally:
        if report and kept:
            write_text(report, f"{summary()}\n")
    if skipped:
        typer.echo(f"pellucid: {skipped} of {count} skipped, as their outputs exist", err=True)
    if failed and count > 1:
        typer.echo(f"pellucid: {len(failed)} of {count} failed:", err=True)
        more = [f"and {len(failed) - REPEATED} more, named above"] if len(failed) > REPEATED else []
        typer.echo("\n".join(f"  {line}" for line in failed[:REPEATED] + more), err=True)
    if as_json:
        typer.echo(summary())
    if failed:
        raise typer.Exit(1)


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
