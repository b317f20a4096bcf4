"""Which stage an optimiser step is in, and its learning rate."""

import math
from dataclasses import dataclass
from itertools import accumulate

from pellucid.training.config import Stage, TrainConfig


@dataclass(frozen=True)
class Position:
    """Where a step is.

    Attributes:
        stage: of progressive learning.
        start: first step of the stage.
        seen: samples that all earlier steps used.
    """

    stage: Stage
    start: int
    seen: int


def position(config: TrainConfig, step: int) -> Position:
    """Where optimiser step ``step`` (from 0) is; the last stage goes on for ever."""
    start = seen = 0
    for index, stage in enumerate(config.stages):
        length = stage.iterations or 0
        if step < start + length or index == len(config.stages) - 1:
            return Position(stage, start, seen + (step - start) * stage.batch)
        start += length
        seen += length * stage.batch
    raise AssertionError("a config has at least one stage")


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of optimiser step ``step`` (from 0).

    One schedule over the whole run or, if any stage has a rate of its own, one for each stage.
    """
    optimizer = config.optimizer
    if all(stage.lr is None for stage in config.stages):
        return warmup_hold_cosine(
            step,
            peak=optimizer.lr,
            floor=optimizer.min_lr,
            warmup=optimizer.warmup,
            hold=optimizer.hold,
            total=config.iterations,
        )
    at = position(config, step)
    return warmup_hold_cosine(
        step - at.start,
        peak=at.stage.lr or optimizer.lr,
        floor=optimizer.min_lr,
        warmup=optimizer.warmup if at.stage.warmup is None else at.stage.warmup,
        total=at.stage.iterations or 0,
    )


def stage_ends(config: TrainConfig) -> list[int]:
    """The number of steps done at the end of each stage."""
    return list(accumulate(stage.iterations or 0 for stage in config.stages))


def warmup_hold_cosine(step: int, *, peak: float, floor: float, warmup: int, total: int, hold: int = 0) -> float:
    """A linear rise over ``warmup`` steps, ``hold`` steps at ``peak``, then a cosine to ``floor``, at the last step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    start = warmup + hold
    progress = (step - start) / max(total - 1 - start, 1)
    return floor + (peak - floor) * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0))) / 2
