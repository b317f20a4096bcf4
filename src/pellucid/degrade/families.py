"""Several renderers of one degradation, of which one is drawn for each image.

A network that sees one renderer learns that renderer. Renderers that share nothing but what they stand for leave it
only that to learn: domain randomisation (Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from
Simulation to the Real World", IROS 2017).
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from pellucid.degrade.base import Degradation, uniform


@dataclass(frozen=True, kw_only=True)
class Families:
    """Renderers by name, each with the weight with which it is drawn.

    Attributes:
        members: name → (renderer, weight above 0).
    """

    members: Mapping[str, tuple[Degradation, float]]

    def sample(self, rng: torch.Generator) -> tuple[str, Any]:
        """Draw a renderer, and one image's parameters from it."""
        ends = list(accumulate(weight for _, weight in self.members.values()))
        name = list(self.members)[bisect(ends, uniform(rng, 0.0, ends[-1]))]
        return name, self.members[name][0].sample(rng)

    def apply(self, image: Tensor, params: Sequence[tuple[str, Any]]) -> Tensor:
        """Degrade each image of (B, C, H, W) in [0, 1] by the renderer that was drawn for it."""
        degraded = image.clone()
        for name in dict.fromkeys(drawn for drawn, _ in params):
            chosen = [index for index, (drawn, _) in enumerate(params) if drawn == name]
            degraded[chosen] = self.members[name][0].apply(image[chosen], [params[i][1] for i in chosen])
        return degraded

    def scaled(self, scale: float) -> "Families":
        """The same with all lengths in pixels multiplied, for larger pictures; renderers without lengths stay."""
        return Families(members={name: (_scaled(one, scale), weight) for name, (one, weight) in self.members.items()})


def _scaled(renderer: Any, scale: float) -> Any:
    has_lengths = any(field.name == "scale" for field in fields(renderer))
    return replace(renderer, scale=scale) if has_lengths else renderer
