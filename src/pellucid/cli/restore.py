"""``pellucid restore``: files, folders and globs in, restored pictures out."""

import logging
from dataclasses import asdict
from functools import partial
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
    from pellucid.cli.making import make_files
    from pellucid.cli.progress import FileProgress
    from pellucid.files import restore_files

    if report:
        printing.check_replaceable(report, ".json", overwrite=handling.existing == "overwrite")
    weights, restorer = options.load_restorer(model, task, restoring)
    settings = asdict(restorer.options) | {"device": str(restorer.runs_on)}
    log.info("%s, %s", weights.name, ", ".join(f"{name} {value}" for name, value in settings.items()))
    described = {"pellucid": __version__, "model": weights, "sha256": file_digest(weights), "settings": settings}
    bars = FileProgress()
    make = partial(restore_files, restorer=restorer, options=handling, on_tile=bars.advance)
    make_files(
        inputs, output, make, bars, described=described, max_pixels=handling.max_pixels, as_json=as_json, report=report
    )
