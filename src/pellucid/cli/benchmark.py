"""``pellucid benchmark``: a model on the literature's benchmarks, beside what was published."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options, printing
from pellucid.cli.rows import with_options
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pellucid.benchmark.record import Score
    from pellucid.benchmark.run import Result, Subject
    from pellucid.inference import RestoreOptions

RESULTS = Path("runs/benchmark")


def _list_benchmarks(wanted: bool) -> None:
    if not wanted:
        return
    from pellucid.benchmark.registry import BENCHMARKS

    typer.echo(f"{'benchmark':<15}{'images':>6}  {'protocol':<13}{'tiles':<7}{'folder':<28}what")
    for benchmark in BENCHMARKS:
        count = "any" if benchmark.count is None else str(benchmark.count)
        tile = "" if benchmark.tile is None else str(benchmark.tile)
        typer.echo(
            f"{benchmark.id:<15}{count:>6}  {benchmark.protocol:<13}{tile:<7}{benchmark.layout:<28}{benchmark.title}"
        )
    raise typer.Exit


@with_options
def benchmark(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="BENCHMARK=FOLDER...", help="Or folders that are named after a benchmark, or your own."),
    ],
    *,
    sigma: Annotated[
        str, typer.Option("--sigma", help="Levels of Gaussian noise, on the scale of 0-255.")
    ] = "15,25,50",
    model: options.Model = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="What is wrong with the pictures. Default: each benchmark's own.")
    ] = None,
    tile: Annotated[
        str, typer.Option("--tile", help="paper (where it says, else auto), auto, off, or a side.")
    ] = "paper",
    restoring: Annotated[
        "RestoreOptions", options.RESTORING.only("precision", "device", "keep_clean", keep_clean=False)
    ],
    self_ensemble: Annotated[
        bool, typer.Option("--self-ensemble", help="Mean over the 8 flips and turns of each picture: 8 times the cost.")
    ] = False,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Of PSNR and SSIM. Default: the benchmark's own.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where scores are kept: rerun to go on.")] = RESULTS,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with pictures into this folder.")] = None,
    table: Annotated[Path | None, typer.Option("--csv", help="Write the table to this .csv file.")] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    listing: Annotated[
        bool, typer.Option("--list", callback=_list_benchmarks, is_eager=True, help="List the benchmarks known.")
    ] = False,
) -> None:
    """Score models as the papers do: PSNR, SSIM, time and memory, beside the published rows.

    Without -m or -t, each benchmark is given to the bundled model for its task.
    """
    from pellucid.benchmark.report import check_replaceable, write_report
    from pellucid.benchmark.run import Result, Subject, Trial
    from pellucid.benchmark.samples import parse_target
    from pellucid.cli.progress import CountProgress
    from pellucid.metrics.protocols import check_protocol

    if protocol:
        check_protocol(protocol)
    if table:
        if table.suffix.lower() != ".csv":
            raise ConfigError(f"--csv takes the name of a .csv file, not '{table}'")
        printing.check_replaceable(table, ".csv", overwrite=overwrite)
    if html:
        check_replaceable(html / "index.html")
    wanted = [parse_target(target) for target in targets]
    tasks = {benchmark.id: task if task or model else benchmark.task for benchmark, _ in wanted}
    subjects: dict[str | None, Subject] = {}
    restoring = restoring if tile == "paper" else replace(restoring, tile=options.tile_of(tile))
    for each in dict.fromkeys(tasks.values()):
        weights, restorer = options.load_restorer(model, each, restoring)
        subjects[each] = Subject(
            name=weights.stem, restorer=restorer, paper_tiles=tile == "paper", self_ensemble=self_ensemble
        )
    sigmas = _parse_sigmas(sigma)
    trials = [
        Trial(
            subject=subjects[tasks[benchmark.id]],
            benchmark=benchmark,
            folder=folder,
            sigma=level,
            protocol=protocol,
            out=out,
        )
        for benchmark, folder in wanted
        for level in (sigmas if benchmark.kind == "gaussian" else (None,))
    ]
    pictures = sum(len(trial.samples) for trial in trials)  # looks through all folders before a network runs once
    results: list[Result] = []
    with CountProgress("pictures", pictures) as progress:
        for trial in trials:
            if not as_json and not (results and results[-1].trial.subject is trial.subject):
                _print_head(trial.subject)
            scores: list[Score] = []
            for score in trial.scores():
                scores.append(score)
                progress.advance()
            results.append(Result(trial=trial, scores=scores))
            if not as_json:
                _print_result(results[-1])
    if as_json:
        typer.echo(printing.to_json([result.to_dict() for result in results]))
    if table:
        printing.write_text(table, _to_csv(results))
    if html:
        typer.echo(str(write_report(results, html)), err=as_json)


def _print_head(subject: "Subject") -> None:
    ensemble = ", self-ensemble ×8" if subject.self_ensemble else ""
    typer.echo(
        f"{subject.name} ({subject.digest}): {subject.parameters / 1e6:.2f} M parameters,"
        f" {subject.gmacs:.2f} GMACs at 256²; {subject.restorer.options.precision} on {subject.device.type}{ensemble}"
    )
    heads = f"{'dB in':>8}{'out':>8}{'SSIM in':>9}{'out':>8}{'s/MP':>8}{'GiB':>7}"
    typer.echo(f"{'':<22}{'images':>7}{'protocol':>13}{heads}")


def _print_result(result: "Result") -> None:
    trial = result.trial
    typer.echo(
        f"{trial.title:<22}{len(result.scores):>7}{trial.scored_under:>13}{result.input_psnr:>8.2f}{result.psnr:>8.2f}"
        f"{_ssim(result.input_ssim):>9}{_ssim(result.ssim):>8}"
        f"{result.seconds_per_megapixel:>8.2f}{result.peak_bytes / 2**30:>7.2f}"
    )
    for row in trial.benchmark.comparable(protocol=trial.scored_under, sigma=trial.sigma):
        ssim = "" if row.ssim is None else f"{row.ssim:g}"
        typer.echo(f"{'  ' + row.model:<42}{'':>8}{row.psnr:>8.2f}{'':>9}{ssim:>8}  {row.source}")
    if refusal := trial.benchmark.refusal(trial.scored_under):
        typer.echo(f"  {refusal}")


def _ssim(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _to_csv(results: "Sequence[Result]") -> str:
    """One line for each result and each published row beside it."""
    rows = [result.to_dict() for result in results]
    columns = [*(name for name in rows[0] if name != "published"), "source"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        published = row.pop("published")
        writer.writerow(row | {"source": "measured"})
        shared = {name: row[name] for name in ("title", "benchmark", "protocol")}
        writer.writerows(shared | paper for paper in published)
    return text.getvalue()


def _parse_sigmas(text: str) -> list[float]:
    try:
        sigmas = [float(part) for part in text.split(",")]
    except ValueError:
        sigmas = [-1.0]
    if not all(0 <= sigma < float("inf") for sigma in sigmas):
        raise ConfigError(f"--sigma takes numbers ≥ 0 separated by commas, not '{text}'")
    return sigmas
