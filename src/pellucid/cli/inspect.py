"""``pellucid inspect``: what a checkpoint is."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli import options, printing

SIDE = 256


def inspect(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A checkpoint, in any container, or a name from 'pellucid models'.")
    ],
    as_json: options.Json = False,
) -> None:
    """Say what a checkpoint is: family, config, parameters, multiply-adds at 256x256."""
    from pellucid.checkpoints import build_network, open_checkpoint
    from pellucid.models.cost import count_macs, count_parameters
    from pellucid.zoo import list_models

    bundled = {model.name: model.path for model in list_models()}
    checkpoint = open_checkpoint(bundled.get(file, Path(file)))
    facts: dict[str, Any] = {
        "file": file,
        "family": checkpoint.family.name,
        "container": checkpoint.container,
        "names": "the authors'" if checkpoint.official else "pellucid's",
        "parameters": count_parameters(build_network(checkpoint)),
        "gmacs_256": round(count_macs(checkpoint.config, SIDE, SIDE) / 1e9, 3),
        "config": asdict(checkpoint.config),
        "assumed": dict(checkpoint.assumed),
        "metadata": {key: value for key, value in checkpoint.metadata.items() if key != "config"},
    }
    if as_json:
        typer.echo(printing.to_json(facts))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            for field, setting in value.items():
                typer.echo(f"{name + '.' + field:<28}{setting}")
        else:
            typer.echo(f"{name:<28}{value}")
