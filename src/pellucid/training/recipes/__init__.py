"""Recipes are results: each says the command, the data, the hardware, the hours and the score it reached or should.

A recipe is a function from folders to the config of a run; its docstring is what ``pellucid train --list`` shows.
"""

from pathlib import Path
from typing import Protocol

from pellucid.training.config import TrainConfig
from pellucid.training.recipes import ast, astv2, ours, restormer
from pellucid.zoo.tasks import TASKS


class Recipe(Protocol):
    """Gives the config of a run on the data in two folders, into a third."""

    __module__: str
    __name__: str

    def __call__(self, train: Path, val: Path | None, out: Path) -> TrainConfig: ...


def _by_name(*recipes: Recipe) -> dict[str, Recipe]:
    """``restormer.motion_deblurring`` → ``restormer-motion-deblurring``; ours go without the module's name."""
    named: dict[str, Recipe] = {}
    for recipe in recipes:
        family = recipe.__module__.rpartition(".")[2]
        words = [recipe.__name__] if family == "ours" else [family, recipe.__name__]
        named["-".join(words).replace("_", "-")] = recipe
    return named


RECIPES = _by_name(
    *(getattr(ours, (task.recipe or name).replace("-", "_")) for name, task in TASKS.items()),
    ast.spad,
    ast.agan,
    ast.dense_haze,
    astv2.spad,
    astv2.gopro,
    astv2.sots,
    restormer.deraining,
    restormer.motion_deblurring,
    restormer.defocus_single,
    restormer.defocus_dual,
    restormer.real_denoising,
    restormer.grey_denoising,
    restormer.colour_denoising,
)

__all__ = ["RECIPES", "Recipe"]
