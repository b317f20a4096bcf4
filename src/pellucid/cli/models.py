"""``pellucid models``: what weights there are."""

from dataclasses import asdict
from typing import Annotated

import typer

from pellucid.cli import options, printing


def models(
    task: Annotated[str | None, typer.Option("--task", "-t", help="Only those for one task.")] = None,
    as_json: options.Json = False,
) -> None:
    """List the weights that come with pellucid; multiply-adds are those at 256², and each card has more scores."""
    from rich.console import Console
    from rich.table import Table

    from pellucid.zoo import list_models

    found = list_models(task)
    if as_json:
        typer.echo(printing.to_json([asdict(model) for model in found]))
        return
    table = Table(box=None)
    for head in ("name", "task", "size", "GMACs", "licence"):
        table.add_column(head, no_wrap=True)
    table.add_column("measured, dB")
    for model in found:
        scores = ", ".join(f"{name} {score:.2f}" for name, score in model.scores.items())
        size = f"{model.parameters / 1e6:.2f} M"
        table.add_row(model.name, model.task, size, f"{model.gmacs:.2f}", model.licence, scores)
    Console().print(table)
