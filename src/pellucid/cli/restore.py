"""``pellucid restore``: files, folders and globs in, restored pictures out."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli import options

log = logging.getLogger(__name__)


def restore(
    inputs: options.Inputs,
    output: options.Output = None,
    model: options.Model = None,
    task: options.Task = None,
    tile: options.Tile = "auto",
    overlap: options.Overlap = 64,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    keep_clean: options.KeepClean = True,
    together: options.Together = False,
    suffix: options.Suffix = "restored",
    format: options.Format = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    resume: options.Resume = False,
    max_megapixels: options.MaxMegapixels = None,
    timeout: options.Timeout = 0.0,
    quality: options.Quality = None,
    compression: options.Compression = None,
    background: options.Background = "white",
    white: options.White = None,
    no_data: options.NoData = None,
    date: options.Date = "keep",
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
        options.check_replaceable(report, ".json", overwrite=overwrite)
    handling = options.file_options(
        suffix=suffix,
        format=format,
        overwrite=overwrite,
        skip_existing=skip_existing,
        resume=resume,
        max_megapixels=max_megapixels,
        timeout=timeout,
        quality=quality,
        compression=compression,
        background=background,
        white=white,
        no_data=no_data,
        date=date,
        together=together,
    )
    weights, restorer = options.load_restorer(
        model,
        task,
        tile=tile,
        overlap=overlap,
        precision=precision,
        device=device,
        keep_clean=keep_clean,
        backend=backend,
    )
    settings: dict[str, Any] = {
        "tile": tile,
        "overlap": overlap,
        "precision": restorer.precision,
        "device": str(restorer.runs_on),
        "backend": restorer.backend,
        "keep_clean": keep_clean,
    }
    log.info("%s, %s", weights.name, ", ".join(f"{name} {value}" for name, value in settings.items()))
    described = {"pellucid": __version__, "model": weights, "sha256": file_digest(weights), "settings": settings}
    results: list[FileResult] = []

    def summary() -> str:
        return options.to_json(described | {"files": [asdict(result) for result in results]})

    try:
        with (
            standard_streams(inputs, output, max_pixels=handling.max_pixels, as_json=as_json) as streams,
            FileProgress() as progress,
        ):
            options.show_results(
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
            options.write_text(report, f"{summary()}\n")
    if as_json:
        typer.echo(summary())
    if any(result.error for result in results):
        raise typer.Exit(1)
