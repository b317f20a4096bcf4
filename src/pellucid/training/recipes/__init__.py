"""Recipes are results: each says the command, the hardware, the hours and the score it reached."""

from pellucid.training.recipes import denoise

RECIPES = {"denoise": denoise}

__all__ = ["RECIPES"]
