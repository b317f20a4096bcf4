"""Geometric augmentation: the eight symmetries of a square."""

from torch import Tensor

SYMMETRIES = 8


def symmetry(image: Tensor, index: int) -> Tensor:
    """One of the 8 flips and quarter turns of (..., S, S): index & 1 and & 2 flip, & 4 transposes."""
    if index & 1:
        image = image.flip(-1)
    if index & 2:
        image = image.flip(-2)
    return image.mT if index & 4 else image
