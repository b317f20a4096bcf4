"""``pellucid restore``: files, folders and globs in, restored pictures out."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli import options, printing
from pellucid.cli.rows import with_options

log = logging.getLogger(__name__)


@with_options
def restore(
    inputs: options.Inputs,
    *,
    output: options.Output = None,
    model: options.Model = None,
    task: options.Task = None,
    restoring: options.Restoring,
    handling: options.Files,
    report: Annotated[Path | None, typer.Option("--report", help="Write what was done to a JSON file.")] = None,
    as_json: options.Json = False,
) -> None:
    """Restore pictures. Exit code 1 if some failed; the others are written all the same."""
    from pellucid import __version__
    from pellucid.checkpoints import file_digest
    from pellucid.cli.progress import FileProgress
    from pellucid.cli.streams import standard_streams
    from pellucid.files import FileResult, restore_files

    if report:
        printing.check_replaceable(report, ".json", overwrite=handling.existing == "overwrite")
    weights, restorer = options.load_restorer(model, task, restoring)
    settings = asdict(restorer.options) | {"device": str(restorer.runs_on)}
    log.info("%s, %s", weights.name, ", ".join(f"{name} {value}" for name, value in settings.items()))
    described = {"pellucid": __version__, "model": weights, "sha256": file_digest(weights), "settings": settings}
    results: list[FileResult] = []

    def summary() -> str:
        return printing.to_json(described | {"files": [asdict(result) for result in results]})

    try:
        with (
            standard_streams(inputs, output, max_pixels=handling.max_pixels, as_json=as_json) as streams,
            FileProgress() as progress,
        ):
            printing.show_results(
                map(
                    streams.named,
                    restore_files(
                        streams.inputs,
                        streams.output,
                        restorer=restorer,
                        options=handling,
                        on_plan=streams.checked(progress.plan),
                        on_start=progress.start,
                        on_tile=progress.advance,
                    ),
                ),
                into=results,
                on_result=progress.finish,
                quiet=as_json or streams.is_output,
                keep=as_json or report is not None,
            )
    finally:  # a run that is stopped reports what it did
        if report and results:
            printing.write_text(report, f"{summary()}\n")
    if as_json:
        typer.echo(summary())
    if any(result.error for result in results):
        raise typer.Exit(1)
