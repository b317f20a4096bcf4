"""What happens to photographs: ``sample(rng)`` draws parameters, ``apply(image, params)`` is deterministic."""

from pellucid.degrade.noise import GaussianNoise, GaussianNoiseParams

__all__ = ["GaussianNoise", "GaussianNoiseParams"]
