"""``pellucid restore``: files, folders and globs in, restored pictures out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options

if TYPE_CHECKING:
    from pellucid.inference.files import FileResult


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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write what was done to a JSON file.")] = None,
    as_json: options.Json = False,
) -> None:
    """Restore pictures. Exit code 1 if some failed; the others are written all the same."""
    from pellucid.checkpoints import load_network
    from pellucid.cli.progress import FileProgress
    from pellucid.inference import Restorer, restore_files
    from pellucid.zoo import find_model

    weights = find_model(model, task)
    restorer = Restorer(
        load_network(weights),
        tile=options.parse_tile(tile),
        overlap=overlap,
        precision=precision,
        device=device,
    )
    results: list[FileResult] = []
    with FileProgress() as progress:
        for result in restore_files(
            inputs,
            output,
            restorer=restorer,
            suffix=suffix,
            overwrite=overwrite,
            on_plan=progress.plan,
            on_start=progress.start,
            on_tile=progress.advance,
        ):
            results.append(result)
            progress.finish(result)
            if result.error:
                typer.echo(f"pellucid: {result.error}", err=True)
            elif not as_json:
                typer.echo(result.target)

    summary = json.dumps({"model": str(weights), "files": [asdict(result) for result in results]}, indent=2)
    if as_json:
        typer.echo(summary)
    if report:
        _write_report(report, summary)
    if any(result.error for result in results):
        raise typer.Exit(1)


def _write_report(path: Path, text: str) -> None:
    from pellucid.errors import ImageError

    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text + "\n")
        temporary.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: the report cannot be written: {error.strerror}") from None
