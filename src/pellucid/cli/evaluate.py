"""``pellucid evaluate``: scores of pictures that exist against their targets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options, printing

if TYPE_CHECKING:
    from pellucid.benchmark.evaluate import EvaluationRow


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A folder of restored pictures, or one.")],
    targets: Annotated[Path, typer.Argument(help="The true pictures, by the same names.")],
    protocol: Annotated[
        str, typer.Option("--protocol", help="rgb, matlab-y (deraining), skimage-rgb or y-float.")
    ] = "rgb",
    metrics: Annotated[
        str, typer.Option("--metrics", help="Of psnr, ssim, niqe and niqe-pellucid, by commas.")
    ] = "psnr,ssim",
    crop: Annotated[bool, typer.Option("--crop", help="Compare what sizes share, from the top left.")] = False,
    pristine: Annotated[Path | None, typer.Option("--pristine", help="NIQE's model, a .npz or .mat file.")] = None,
    worst: Annotated[int | None, typer.Option("--worst", min=1, help="Show only this many, the worst.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all scores to a CSV file.")] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Score restored pictures against the true ones, the worst first, and the mean over all."""
    from pellucid.benchmark.evaluate import evaluate_folders, mean_scores, to_csv, worst_first

    if csv:
        printing.check_replaceable(csv, ".csv", overwrite=overwrite)
    wanted = [metric.strip() for metric in metrics.split(",")]
    rows = worst_first(
        evaluate_folders(predictions, targets, protocol=protocol, metrics=wanted, crop=crop, pristine=pristine)
    )
    mean = mean_scores(rows)
    if csv:
        printing.write_text(csv, to_csv(rows))
    shown = rows[:worst]
    if as_json:
        images = [{"name": row.name, **row.scores} for row in shown]
        typer.echo(printing.to_json({"protocol": protocol, "count": len(rows), "images": images, "mean": mean}))
    else:
        _show_table(shown, mean, len(rows))


def _show_table(rows: "list[EvaluationRow]", mean: dict[str, float], count: int) -> None:
    summary = f"mean of {count}"
    width = max(len("image"), len(summary), *(len(row.name) for row in rows))
    typer.echo("image".ljust(width) + "".join(f"{metric:>15}" for metric in mean))
    for name, scores in [*((row.name, row.scores) for row in rows), (summary, mean)]:
        typer.echo(name.ljust(width) + "".join(f"{score:>15.4f}" for score in scores.values()))
