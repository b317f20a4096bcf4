"""What happens to photographs: ``sample(rng)`` draws one image's parameters, ``apply(images, params)`` is deterministic."""

from pellucid.degrade.base import Degradation
from pellucid.degrade.noise import GaussianNoise, GaussianNoiseParams

__all__ = ["Degradation", "GaussianNoise", "GaussianNoiseParams"]
