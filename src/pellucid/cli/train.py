"""``pellucid train``: make weights, by a recipe or a config of your own."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from pellucid.training.config import TrainConfig

INTERRUPTED = 130  # as shells report SIGINT


def train(
    run: Annotated[
        str | None, typer.Argument(metavar="[RECIPE|CONFIG.yaml]", help="A recipe (see --list), or a config.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="For example optimizer.lr=1e-4 stages.0.batch=4."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder to train on: photographs, or pairs.")] = None,
    val: Annotated[Path | None, typer.Option("--val", help="Folder to validate on, of the same kind.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run. Default: runs/RECIPE.")] = None,
    init: Annotated[
        Path | None, typer.Option("--init", help="Fine-tune this checkpoint: its network and weights.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="small-gpu: the same batches, by accumulation.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last.ckpt.")] = False,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the recipes; with RECIPE, tell all about it.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the config as YAML and do nothing.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON schema of configs and do nothing.")] = False,
    from_basicsr: Annotated[
        Path | None, typer.Option("--from-basicsr", help="Print a BasicSR option file as a config, and do nothing.")
    ] = None,
) -> None:
    """Make weights: from clean photographs of your own, or from pairs as the papers do.

    Runs on one device; for more, start it with torchrun: torchrun --nproc-per-node 8 -m pellucid train ...
    """
    if list_recipes:
        typer.echo(_recipes(run))
        return
    if schema:
        from pellucid.training.parse import json_schema

        typer.echo(json_schema())
        return
    if from_basicsr:
        _translate(from_basicsr)
        return
    if run is None:
        raise ConfigError("train needs a recipe or a config.yaml; pellucid train --list shows the recipes")
    config = _config(run, overrides or [], data=data, val=val, out=out, init=init, preset=preset, show=show)
    if show:
        from pellucid.training.parse import to_yaml

        typer.echo(to_yaml(config), nl=False)
        return
    _train(config, resume=resume)


def _config(
    run: str,
    overrides: list[str],
    *,
    data: Path | None,
    val: Path | None,
    out: Path | None,
    init: Path | None,
    preset: str | None,
    show: bool,
) -> "TrainConfig":
    from pellucid.training.parse import override, read_config
    from pellucid.training.presets import PRESETS
    from pellucid.training.recipes import RECIPES

    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"Unknown preset '{preset}'.{did_you_mean(preset, PRESETS)}")
    given: dict[str, Any] = {"data.train": data, "data.val": val, "out": out, "network.init": init}
    given = {name: str(path) for name, path in given.items() if path is not None}
    if init:
        given |= {"network.name": None, "network.overrides": {}}
    if run in RECIPES:
        if data is None and not show:
            raise ConfigError(f"train {run} needs --data, a folder; pellucid train {run} --list tells of what")
        config = override(RECIPES[run](data or Path("DATA"), val, out or Path("runs") / run), overrides, given=given)
    elif Path(run).suffix in (".yaml", ".yml"):
        config = read_config(Path(run), overrides, given=given)
    else:
        hint = " The recipe comes before key=value." if "=" in run else did_you_mean(run, RECIPES)
        raise ConfigError(f"No recipe '{run}' and no .yaml file.{hint}")
    return override(PRESETS[preset](config), overrides) if preset else config


def _train(config: "TrainConfig", *, resume: bool) -> None:
    from pellucid.cli.progress import TrainProgress
    from pellucid.training import train

    logging.getLogger("pellucid").setLevel(logging.INFO)
    is_first = int(os.environ.get("RANK", 0)) == 0  # torchrun's
    try:
        with TrainProgress(shown=is_first) as progress:
            weights = train(config, resume=resume, on_step=progress.step)
    except KeyboardInterrupt:
        last = config.out / "last.ckpt"
        hint = f"; --resume goes on from {last}" if last.exists() else " before anything was saved"
        typer.echo(f"pellucid: stopped{hint}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if is_first:
        typer.echo(weights)


def _recipes(name: str | None) -> str:
    from inspect import getdoc

    from pellucid.training.recipes import RECIPES

    documented = {recipe: getdoc(function) or "" for recipe, function in RECIPES.items()}
    if name is None:
        return "\n".join(f"{recipe:<28}{text.splitlines()[0]}" for recipe, text in documented.items())
    if name not in documented:
        raise ConfigError(f"Unknown recipe '{name}'.{did_you_mean(name, documented)}")
    return documented[name]


def _translate(path: Path) -> None:
    from pellucid.training.basicsr import translate
    from pellucid.training.parse import to_yaml

    config, left_out = translate(path)
    typer.echo(to_yaml(config), nl=False)
    for line in left_out:
        typer.echo(f"pellucid: not translated: {line}", err=True)
