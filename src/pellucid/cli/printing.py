"""What verbs print and write in the end."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pellucid.files import FileResult

REPEATED = 20  # failures that are named once more in the end
CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


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
