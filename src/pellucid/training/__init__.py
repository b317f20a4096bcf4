"""Making weights: a loop on Lightning Fabric, configs of runs, and recipes."""

from pellucid.training.config import TrainConfig
from pellucid.training.loop import StepReport, train

__all__ = ["StepReport", "TrainConfig", "train"]
