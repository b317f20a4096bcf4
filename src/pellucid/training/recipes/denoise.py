"""Blind Gaussian colour denoising, σ uniform in [0, 50]: a small AST on clean photographs."""

from pathlib import Path

from pellucid.degrade import GaussianNoise
from pellucid.training.config import TrainConfig

DEGRADATION = GaussianNoise(low=0, high=50)
VALIDATION = {f"sigma{sigma}": GaussianNoise(low=sigma, high=sigma) for sigma in (15, 25, 50)}


def config(*, data: Path, val: Path, out: Path) -> TrainConfig:
    """The run that made the bundled weights."""
    return TrainConfig(task="denoise", network="ast-t", data=data, val=val, out=out)
