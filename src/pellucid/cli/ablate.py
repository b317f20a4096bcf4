"""``pellucid ablate``: AST's ablation tables, at any budget."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options, printing
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.training import TrainConfig


def ablate(
    data: Annotated[Path, typer.Option("--data", help="Folder of clean photographs to train on.")],
    val: Annotated[Path, typer.Option("--val", help="Folder of clean photographs to validate on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the runs.")] = Path("runs/ablation"),
    table: Annotated[str | None, typer.Option(help="attention or feedforward. Default: both.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each run.")] = 1000,
    patch: Annotated[int, typer.Option(min=16, help="Side of the crops.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Crops for each step.")] = 8,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each variant.")] = 3,
    share: Annotated[str, typer.Option(help="i/n: do every n-th run only, to share the work.")] = "1/1",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    as_json: options.Json = False,
) -> None:
    """Train AST's variants with as many parameters each, and print mean ± deviation over seeds.

    Runs that are done are not done again; one that was stopped goes on where it was saved.
    """
    from pellucid.training.ablation import as_markdown, run_ablation

    def change(config: "TrainConfig") -> "TrainConfig":
        return replace(config, threads=threads, precision=precision)

    logging.getLogger("pellucid").setLevel(logging.WARNING)
    rows = run_ablation(
        data=data,
        val=val,
        out=out,
        table=table,
        steps=steps,
        patch=patch,
        batch=batch,
        seeds=seeds,
        share=_parse_share(share),
        change=change,
        on_run=lambda name, number, count: typer.echo(f"{number}/{count} {name}", err=True),
    )
    typer.echo(printing.to_json([asdict(row) for row in rows]) if as_json else as_markdown(rows))


def _parse_share(text: str) -> tuple[int, int]:
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise ConfigError(f"--share takes i/n, such as 1/2, not '{text}'")
    return int(number), int(count)
