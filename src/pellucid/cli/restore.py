"""``pellucid restore``: files, folders and globs in, restored pictures out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli import options


def restore(
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help="Pictures, folders or glob patterns.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="A file, or a folder. Default: beside each input.")
    ] = None,
    model: options.Model = None,
    task: options.Task = None,
    tile: options.Tile = "auto",
    overlap: options.Overlap = 64,
    precision: options.Precision = "fp32",
    device: options.Device = "auto",
    suffix: Annotated[str, typer.Option(help="Added to names when there is no -o: photo_SUFFIX.jpg.")] = "restored",
    overwrite: options.Overwrite = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write what was done to a JSON file.")] = None,
    as_json: options.Json = False,
) -> None:
    """Restore pictures. Exit code 1 if some failed; the others are written all the same."""
    from pellucid import __version__
    from pellucid.checkpoints import file_digest
    from pellucid.cli.progress import FileProgress
    from pellucid.inference import restore_files

    if report:
        options.check_replaceable(report, ".json", overwrite=overwrite)
    weights, restorer = options.load_restorer(
        model, task, tile=tile, overlap=overlap, precision=precision, device=device
    )
    with FileProgress() as progress:
        results = options.show_results(
            restore_files(
                inputs,
                output,
                restorer=restorer,
                suffix=suffix,
                overwrite=overwrite,
                on_plan=progress.plan,
                on_start=progress.start,
                on_tile=progress.advance,
            ),
            on_result=progress.finish,
            quiet=as_json,
        )
    settings = {"tile": tile, "overlap": overlap, "precision": precision, "device": device}
    described = {"pellucid": __version__, "model": weights, "sha256": file_digest(weights), "settings": settings}
    summary = options.to_json(described | {"files": [asdict(result) for result in results]})
    if as_json:
        typer.echo(summary)
    if report:
        options.write_text(report, f"{summary}\n")
    if any(result.error for result in results):
        raise typer.Exit(1)
