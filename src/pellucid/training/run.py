"""All that changes while a run goes on: one optimiser step, and saving and loading it whole.

More than 300 lines: what a step changes and what a checkpoint holds have to be the same, so they stand together.
"""

import copy
import logging
import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from pellucid.atomic import replacing
from pellucid.checkpoints.save import save_network
from pellucid.data.prefetch import Prefetcher
from pellucid.data.source import Source, generator
from pellucid.errors import CheckpointError, ConfigError, TrainingError
from pellucid.training.average import WeightAverage, whole
from pellucid.training.config import TrainConfig, as_tree, flattened
from pellucid.training.loss_watch import LossWatch
from pellucid.training.losses import weighted_sum
from pellucid.training.network import start_network
from pellucid.training.probe import Probed, detection_loss
from pellucid.training.schedule import learning_rate, position, stage_ends

log = logging.getLogger(__name__)

LAST, MODEL, BEST = "last.ckpt", "model.safetensors", "best.safetensors"
FIXED = ("task", "seed", "network.name", "network.overrides")  # beginnings of names that must not change on resuming
QUIET = ("out", "threads", "every")  # may change without a word
TIMED = ("data", "forward", "backward", "optimizer", "average", "inspection", "validation", "saving")
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Run:
    """A network, its optimiser, the average of its weights, and where in the schedule they are.

    Everything random in a step is a function of the seed and the samples it takes, so nothing random needs saving.
    Methods that save, load, inspect or average are for all processes together.

    Attributes:
        step: optimiser steps done.
        rate: the learning rate of the last one.
        loss, grad_norm: means over the steps that were inspected last.
        best: the highest mean PSNR on validation, in dB.
        seconds: by what they were spent on (``TIMED``). A GPU works on while the computer goes ahead, so there they
            tell what the computer waited for.
    """

    def __init__(self, fabric: Any, config: TrainConfig, source: Source) -> None:
        self._fabric, self._config, self._source = fabric, config, source
        self._module = start_network(config, source.channels)
        self._averaged = copy.deepcopy(self._module).to(fabric.device).eval()
        self._trained = _with_probe(self._module, config)
        if config.compile:
            self._trained.compile()
        self._network = fabric.setup_module(self._trained)
        trained = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        self._optimizer = fabric.setup_optimizers(torch.optim.AdamW(trained))
        self._average = WeightAverage(self._module)
        self._averaged_at = -1
        self._criterion = weighted_sum(config.loss)
        self._watch = LossWatch()
        self._uninspected: list[Tensor] = []
        self._batches: Prefetcher | None = None
        self._rate_scale, self._rollbacks, self._failed_at, self._passed_over = 1.0, 0, 0, 0
        self.step, self.rate, self.best = 0, 0.0, -math.inf
        self.loss = self.grad_norm = math.nan
        self.seconds: dict[str, float] = dict.fromkeys(TIMED, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._forget_work()

    @property
    def averaged(self) -> nn.Module:
        """A network outside of training, with the averaged weights; all processes must ask for it together."""
        if self._averaged_at != self.step:
            full = self._average.full()
            with torch.no_grad():
                for name, parameter in self._averaged.named_parameters():
                    parameter.copy_(full[name])
            self._averaged_at = self.step
        return self._averaged

    def advance(self) -> None:
        """Take one optimiser step."""
        config, fabric, network, optimizer = self._config, self._fabric, self._network, self._optimizer
        at = position(config, self.step)
        torch.manual_seed(generator(config.seed, at.seen + self._passed_over, fabric.global_rank).initial_seed())
        self.rate = learning_rate(config, self.step) * self._rate_scale
        settings = {"lr": self.rate, "betas": config.optimizer.betas, "weight_decay": config.optimizer.weight_decay}
        # one pass instead of nine; on GPUs it is at odds with clipping in fp16, and sharded parameters are left alone
        settings["fused"] = fabric.device.type == "cpu" and config.strategy != "fsdp"
        for group in optimizer.param_groups:
            group.update(settings)

        losses: list[Tensor] = []
        for micro in range(at.stage.accumulate):
            degraded, clean = self._next_batch()
            with fabric.no_backward_sync(network, enabled=micro < at.stage.accumulate - 1):
                with self.timed("forward"):
                    loss = self._loss(degraded, clean)
                with self.timed("backward"):
                    fabric.backward(loss / at.stage.accumulate)
            losses.append(loss.detach())
        with self.timed("optimizer"):
            most = config.optimizer.clip_norm or math.inf
            norm = fabric.clip_gradients(network, optimizer, max_norm=most, error_if_nonfinite=False)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        with self.timed("average"):
            self._average.update(self._module, decay=min(config.ema, self.step / (self.step + 10)))
        self._uninspected.append(torch.stack([torch.stack(losses).mean(), whole(norm.detach())]))

    def _loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        if not self._config.detection:
            return self._criterion(self._network(degraded), clean)
        restored, log_odds = self._network(degraded)
        return self._criterion(restored, clean) + self._config.detection * detection_loss(log_odds, degraded, clean)

    def inspect(self, *, stop: bool = False) -> tuple[str | None, bool]:
        """Look at the losses since the last time: what is wrong with them, and whether any process wants to stop.

        Here alone the computer waits for the GPU, and processes agree on what to do next.
        """
        with self.timed("inspection"):
            mine = torch.stack([*self._uninspected, self._uninspected[0].new_full((2,), float(stop))])
            *steps, (stops, _) = self._fabric.all_reduce(mine, reduce_op="mean").tolist()
        self._uninspected.clear()
        losses, norms = zip(*steps, strict=True)
        self.loss, self.grad_norm = sum(losses) / len(losses), sum(norms) / len(norms)
        fault = self._watch.add(losses)
        if fault is None and self._config.precision != "fp16" and not math.isfinite(self.grad_norm):
            fault = f"the norm of the gradients became {self.grad_norm}"  # fp16 skips such a step
        if self.step in stage_ends(self._config):
            self._watch.forget()
        return fault, stops > 0

    def is_sound(self) -> bool:
        """Whether nothing is wrong with the steps that were not inspected yet; of a single process."""
        return not self._uninspected or self.inspect()[0] is None

    def roll_back(self, fault: str) -> None:
        """Return to the last checkpoint, or to the start; go on at half the learning rate, with samples not yet seen.

        Raises:
            TrainingError: it was done as often in a row as the config allows.
        """
        last, failed_at = self._config.out / LAST, self.step
        if self._rollbacks >= self._config.rollbacks:
            kept = f"; {last} is from before" if last.exists() else ""
            raise TrainingError(f"{fault} by step {failed_at}, after {self._rollbacks} lowered learning rates{kept}")
        scale, rollbacks = self._rate_scale / 2, self._rollbacks + 1
        passed_over = self._passed_over + position(self._config, failed_at).seen
        if last.exists():
            self.load(last, is_resumed=False)
        else:
            self._start_again()
        self._rate_scale, self._rollbacks, self._failed_at = scale, rollbacks, failed_at
        self._passed_over = passed_over - position(self._config, self.step).seen
        log.warning("%s by step %d: back to step %d with half the learning rate", fault, failed_at, self.step)

    def save(self, *, is_best: bool) -> None:
        """Write the averaged weights and, last of all, what ``load`` needs; each file is whole or as it was.

        Raises:
            CheckpointError: a file cannot be written, for a full disk say.
        """
        with self.timed("saving"):
            if self.step >= self._failed_at:  # got past it
                self._rollbacks = 0
            averaged, state = self.averaged, self._state()
            if not self._fabric.is_global_zero:
                return
            notes = {"iterations": str(self.step), "hours": f"{sum(self.seconds.values()) / 3600:.2f}"}
            if self._config.data.longest:
                notes["working_side"] = str(self._config.data.longest)
            for name in (MODEL, BEST) if is_best else (MODEL,):
                path = self._config.out / name
                save_network(averaged, path, task=self._config.task, licence=self._config.licence, notes=notes)
            last = self._config.out / LAST
            try:
                with replacing(last) as temporary:
                    torch.save(state, temporary)
            except (OSError, RuntimeError) as error:
                raise CheckpointError(f"{last}: cannot be written: {_first_line(error)}") from error

    def load(self, last: Path, *, is_resumed: bool = True) -> None:
        """Go on exactly where a run stopped that wrote ``last``: a run that is resumed, or this one.

        Raises:
            CheckpointError: the file is missing or damaged.
            ConfigError: it is of another network, task or seed.
        """
        try:
            state: dict[str, Any] = torch.load(last, weights_only=True, map_location="cpu")
            if is_resumed:
                self._compare(last, state["config"])
            set_model_state_dict(self._trained, state["network"], options=WHOLE)
            set_optimizer_state_dict(self._trained, self._optimizer.optimizer, state["optimizer"], options=WHOLE)
            self._average.load(state["average"])
            self._fabric.strategy.precision.load_state_dict(state["precision"])
            self._watch.load(state["watch"])
            self._rate_scale, self._rollbacks, self._failed_at, self._passed_over = state["lowered"]
            self.step, self.best = state["step"], state["best"]
            if is_resumed:
                self.seconds = dict(state["seconds"])
        except ConfigError:
            raise
        except Exception as error:  # torch raises many kinds for damaged files
            raise CheckpointError(f"{last}: is damaged and cannot be resumed from: {_first_line(error)}") from error
        self._forget_work()

    @contextmanager
    def timed(self, what: str) -> Generator[None]:
        """Count the seconds in a block."""
        started = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - started

    def _state(self) -> dict[str, Any]:
        return {
            "config": as_tree(self._config),
            "network": get_model_state_dict(self._trained, options=WHOLE),
            "optimizer": get_optimizer_state_dict(self._trained, self._optimizer.optimizer, options=WHOLE),
            "average": {name: value.cpu() for name, value in self._average.full().items()},
            "precision": self._fabric.strategy.precision.state_dict(),
            "watch": self._watch.state(),
            "lowered": [self._rate_scale, self._rollbacks, self._failed_at, self._passed_over],
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
        }

    def _compare(self, last: Path, stored_tree: dict[str, Any]) -> None:
        """Refuse to go on with what is another run, and say what else has changed."""
        stored, wanted = flattened(stored_tree), flattened(as_tree(self._config))
        for name in sorted(stored.keys() | wanted.keys()):
            old, new = stored.get(name), wanted.get(name)
            if old == new or name.startswith(QUIET):
                continue
            if name.startswith(FIXED):
                raise ConfigError(f"{last}: was made with {name} {old}, not {new}")
            log.warning("resumed with %s %s instead of %s", name, new, old)

    def _start_again(self) -> None:
        initial = _with_probe(start_network(self._config, self._source.channels), self._config)
        set_model_state_dict(self._trained, initial.state_dict(), options=WHOLE)
        self._optimizer.state.clear()
        self._average = WeightAverage(self._module)
        self._watch.forget()
        self.step = 0
        self._forget_work()

    def _forget_work(self) -> None:
        """What was begun before going elsewhere in the schedule."""
        self._uninspected.clear()
        self._averaged_at = -1
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        with self.timed("data"):
            if self._batches is None:
                self._batches = Prefetcher(self._source, self._requests(self.step), workers=self._workers)
            degraded, clean = next(self._batches)
            device = self._fabric.device
            return degraded.to(device, non_blocking=True), clean.to(device, non_blocking=True)

    def _requests(self, step: int) -> Iterator[tuple[range, int]]:
        """Which samples this process takes for each micro-batch, from ``step`` on, and their patch."""
        rank, world = self._fabric.global_rank, self._fabric.world_size
        while True:
            at = position(self._config, step)
            size = at.stage.batch // (at.stage.accumulate * world)
            for micro in range(at.stage.accumulate):
                first = at.seen + self._passed_over + (micro * world + rank) * size
                yield range(first, first + size), at.stage.patch
            step += 1

    @property
    def _workers(self) -> int:
        workers = self._config.data.workers
        if workers is None:
            return 4 if self._fabric.device.type != "cpu" else 0
        return workers


def _with_probe(network: nn.Module, config: TrainConfig) -> nn.Module:
    return Probed(network) if config.detection else network


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
