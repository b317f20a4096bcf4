"""What is done alike to the input and the target of a pair: a random crop, one of the square's symmetries, tones."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from pellucid.data.photo_cache import to_float
from pellucid.degrade.base import chance, log_uniform, uniform

SYMMETRIES = 8


def symmetry(image: Tensor, index: int) -> Tensor:
    """One of the 8 flips and quarter turns of (..., S, S): index & 1 and & 2 flip, & 4 transposes."""
    if index & 1:
        image = image.flip(-1)
    if index & 2:
        image = image.flip(-2)
    return image.mT if index & 4 else image


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A square of a picture, turned.

    Attributes:
        top, left: its first row and column.
        side: of the square.
        turn: which symmetry, 0 to 7.
    """

    top: int
    left: int
    side: int
    turn: int

    @classmethod
    def draw(cls, rng: torch.Generator, height: int, width: int, side: int) -> Self:
        """Draw one uniformly from those that lie within a picture."""
        row, column, turn = torch.rand(3, generator=rng, dtype=torch.float64).tolist()
        return cls(
            top=int(row * (height - side + 1)),
            left=int(column * (width - side + 1)),
            side=side,
            turn=int(turn * SYMMETRIES),
        )

    def of(self, photo: Tensor) -> Tensor:
        """Cut it out of (C, H, W) uint8 or uint16, as float32 in [0, 1]."""
        cut = photo[:, self.top : self.top + self.side, self.left : self.left + self.side]
        return symmetry(to_float(cut), self.turn)


def retouched(image: Tensor, rng: torch.Generator) -> Tensor:
    """Another gamma, tint, black and saturation for a picture (..., C, H, W) in [0, 1], such as people give theirs."""
    channels = image.shape[-3]
    gamma, saturation = log_uniform(rng, 0.7, 3.0), uniform(rng, 0.5, 1.5)
    faded = uniform(rng, 0.04, 0.16) if chance(rng, 0.2) else 0.0  # blacks as of a matte print
    gains, tints = ([uniform(rng, low, high) for _ in range(channels)] for low, high in ((0.85, 1.0), (0.0, 0.06)))
    gain, tint = (torch.tensor(values, device=image.device)[:, None, None] for values in (gains, tints))
    grey, black = image.mean(-3, keepdim=True), faded + tint
    vivid = (grey + saturation * (image - grey)).clamp(0, 1)
    return black + (gain - black) * vivid**gamma
