"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.errors import ConfigError

Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A name from 'pellucid models', or a checkpoint file.")
]
Task = Annotated[str | None, typer.Option("--task", "-t", help="What is wrong with the picture. Default: denoise.")]
Tile = Annotated[str, typer.Option("--tile", help="auto, off, or the side of tiles in pixels.")]
Overlap = Annotated[int, typer.Option("--overlap", help="Pixels by which neighbouring tiles overlap.")]
Precision = Annotated[str, typer.Option("--precision", help="fp32, bf16 or fp16.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps ...")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", help="Where to write.")]


def parse_tile(tile: str) -> str | int:
    """``"auto"``, ``"off"`` or a number.

    Raises:
        ConfigError: anything else.
    """
    if tile in ("auto", "off"):
        return tile
    if tile.isdecimal():
        return int(tile)
    raise ConfigError(f"--tile takes auto, off or a number of pixels, not '{tile}'")
