"""Changes to a config that fit it to a machine."""

from collections.abc import Callable
from dataclasses import replace

from pellucid.training.config import Stage, TrainConfig

SMALL_GPU_PIXELS = 2 * 128**2  # in a micro-batch, for one device


def small_gpu(config: TrainConfig) -> TrainConfig:
    """The same batches on one small GPU: accumulated from micro-batches, with activations recomputed."""
    return replace(config, stages=tuple(_accumulated(stage) for stage in config.stages), gradient_checkpointing=True)


def _accumulated(stage: Stage) -> Stage:
    """The stage with the largest micro-batches within the limit that divide its batch; one crop at the least."""
    for accumulate in range(1, stage.batch + 1):
        micro_batch, rest = divmod(stage.batch, accumulate)
        if rest == 0 and (micro_batch * stage.patch**2 <= SMALL_GPU_PIXELS or micro_batch == 1):
            return replace(stage, accumulate=accumulate)
    raise AssertionError("a batch is divided by itself")


PRESETS: dict[str, Callable[[TrainConfig], TrainConfig]] = {"small-gpu": small_gpu}
