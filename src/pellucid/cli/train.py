"""``pellucid train``: make weights from photographs of your own."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make weights from photographs of your own.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def train() -> None:
    """Make weights from photographs of your own."""


@app.command()
def denoise(
    data: Annotated[Path, typer.Option("--data", help="Folder of clean photographs.")],
    val: Annotated[Path, typer.Option("--val", help="Folder of photographs to validate on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path("runs/denoise"),
    iterations: Annotated[int | None, typer.Option(help="Optimiser steps. Default: the recipe's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Crops per step. Default: the recipe's.")] = None,
    patch: Annotated[int | None, typer.Option(help="Side of a crop. Default: the recipe's.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate. Default: the recipe's.")] = None,
    every: Annotated[int | None, typer.Option(help="Steps between validations and checkpoints.")] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of weights, crops and noise.")] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last.ckpt.")] = False,
) -> None:
    """Train a blind Gaussian denoiser on clean photographs, by the bundled weights' recipe."""
    from pellucid.cli.progress import TrainProgress
    from pellucid.training.loop import train as run
    from pellucid.training.recipes import denoise as recipe

    logging.getLogger("pellucid").setLevel(logging.INFO)
    given = {"iterations": iterations, "batch": batch, "patch": patch, "lr": lr, "every": every}
    config = replace(
        recipe.config(data=data, val=val, out=out),
        precision=precision,
        seed=seed,
        threads=threads,
        **{name: value for name, value in given.items() if value is not None},
    )
    with TrainProgress(config.iterations) as progress:
        weights = run(config, recipe.DEGRADATION, recipe.VALIDATION, resume=resume, on_step=progress.step)
    typer.echo(weights)
