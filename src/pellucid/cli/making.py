"""What ``restore`` and ``degrade`` do alike: files in, files out, and a word about each."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.cli.printing import printable, to_json, write_text
from pellucid.cli.streams import standard_streams

if TYPE_CHECKING:
    from pellucid.cli.progress import FileProgress
    from pellucid.files import FileResult

REPEATED = 20  # failures that are named once more in the end


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
