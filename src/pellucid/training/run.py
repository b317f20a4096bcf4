"""All that changes while a run goes on: one optimiser step, and saving and loading it whole."""

import copy
import logging
import math
import random
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
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
from pellucid.data.source import Source
from pellucid.errors import CheckpointError, ConfigError
from pellucid.training.average import WeightAverage, whole
from pellucid.training.config import TrainConfig, as_tree, flattened
from pellucid.training.losses import weighted_sum
from pellucid.training.mixup import mixup
from pellucid.training.network import start_network
from pellucid.training.schedule import learning_rate, position, stage_ends
from pellucid.training.watch import LossWatch

log = logging.getLogger(__name__)

LAST, MODEL, BEST = "last.ckpt", "model.safetensors", "best.safetensors"
FIXED = ("task", "seed", "network.name", "network.overrides")  # beginnings of names that must not change on resuming
QUIET = ("out", "threads", "every")  # may change without a word
TIMED = ("data", "forward", "backward", "optimizer", "average", "inspection", "validation", "saving")
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Run:
    """A network, its optimiser, the average of its weights, and where in the schedule they are.

    Everything random in a step is a function of the seed and the step, so nothing random needs saving. Methods that
    save, load, inspect or average are for all processes together.

    Attributes:
        step: optimiser steps done.
        averaged: a network outside of training, with the averaged weights after ``update_averaged``.
        seconds: by what they were spent on (``TIMED``). A GPU works on while the computer goes ahead, so there they
            tell what the computer waited for.
        best: the highest mean PSNR on validation, in dB.
        loss, grad_norm: of the steps that were inspected last, means.
    """

    def __init__(self, fabric: Any, config: TrainConfig, source: Source) -> None:
        self._fabric, self._config, self._source = fabric, config, source
        self._module = start_network(config, source.channels)
        self.averaged = copy.deepcopy(self._module).to(fabric.device).eval()
        if config.compile:
            self._module.compile()
        self._network = fabric.setup_module(self._module)
        trained = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        self._optimizer = fabric.setup_optimizers(
            torch.optim.AdamW(
                trained,
                lr=config.optimizer.lr,
                betas=config.optimizer.betas,
                weight_decay=config.optimizer.weight_decay,
            )
        )
        self._average = WeightAverage(self._module)
        self._criterion = weighted_sum(config.loss)
        self._watch = LossWatch()
        self._uninspected: list[Tensor] = []
        self._batches: Prefetcher | None = None
        self._rate_scale, self._rollbacks = 1.0, 0
        self.step, self.best = 0, -math.inf
        self.loss = self.grad_norm = math.nan
        self.seconds: dict[str, float] = dict.fromkeys(TIMED, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop_batches()

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self._config, self.step) * self._rate_scale

    def advance(self) -> None:
        """Take one optimiser step."""
        config, fabric, network, optimizer = self._config, self._fabric, self._network, self._optimizer
        accumulate = position(config, self.step).stage.accumulate
        rng = random.Random(f"{config.seed}/{self.step}/{fabric.global_rank}")
        torch.manual_seed(rng.getrandbits(63))  # of stochastic depth
        for group in optimizer.param_groups:
            group["lr"] = self.rate

        losses: list[Tensor] = []
        for micro in range(accumulate):
            degraded, clean = self._next_batch()
            if config.mixup:
                degraded, clean = mixup(degraded, clean, alpha=config.mixup, rng=rng)
            with fabric.no_backward_sync(network, enabled=micro < accumulate - 1):
                with self.timed("forward"):
                    loss = self._criterion(network(degraded), clean)
                with self.timed("backward"):
                    fabric.backward(loss / accumulate)
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

    def inspect(self, *, stop: bool = False) -> tuple[str | None, bool]:
        """Look at the losses since the last time: what is wrong with them, and whether any process wants to stop.

        The only moment at which the computer waits for the GPU, and processes for one another.
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

    def roll_back(self, fault: str) -> None:
        """Return to the last checkpoint, or to the start, and go on from there at half the learning rate.

        Raises:
            ConfigError: it was done as often as the config allows.
        """
        last, failed_at = self._config.out / LAST, self.step
        if self._rollbacks == self._config.rollbacks:
            kept = f"; {last} holds the last good state" if last.exists() else ""
            raise ConfigError(f"{fault} by step {failed_at}, also at a lower learning rate{kept}")
        scale, rollbacks = self._rate_scale / 2, self._rollbacks + 1
        if last.exists():
            self.load(last)
        else:
            self._start_again()
        self._rate_scale, self._rollbacks = scale, rollbacks
        log.warning("%s by step %d: back to step %d with half the learning rate", fault, failed_at, self.step)

    def update_averaged(self) -> None:
        """Bring ``averaged`` up to date."""
        full = self._average.full()
        with torch.no_grad():
            for name, parameter in self.averaged.named_parameters():
                parameter.copy_(full[name])

    def save(self, *, is_best: bool) -> None:
        """Write the averaged weights and, last of all, what ``load`` needs; each file is whole or as it was.

        Raises:
            CheckpointError: a file cannot be written, for a full disk say.
        """
        with self.timed("saving"):
            self.update_averaged()
            state = self._state()
            if not self._fabric.is_global_zero:
                return
            notes = {"iterations": str(self.step), "hours": f"{sum(self.seconds.values()) / 3600:.2f}"}
            for name in (MODEL, BEST) if is_best else (MODEL,):
                path = self._config.out / name
                save_network(self.averaged, path, task=self._config.task, licence=self._config.licence, notes=notes)
            last = self._config.out / LAST
            try:
                with replacing(last) as temporary:
                    torch.save(state, temporary)
            except (OSError, RuntimeError) as error:
                raise CheckpointError(f"{last}: cannot be written: {str(error).splitlines()[0]}") from error

    def load(self, last: Path) -> None:
        """Go on exactly where a run stopped that wrote ``last``.

        Raises:
            CheckpointError: the file is missing or damaged.
            ConfigError: it is of another network, task or seed.
        """
        try:
            state: dict[str, Any] = torch.load(last, weights_only=True, map_location="cpu")
            self._compare(last, state["config"])
            set_model_state_dict(self._module, state["network"], options=WHOLE)
            set_optimizer_state_dict(self._module, self._optimizer.optimizer, state["optimizer"], options=WHOLE)
            self._average.load(state["average"])
            self._fabric.strategy.precision.load_state_dict(state["precision"])
            self._watch.load(state["watch"])
            self._rate_scale, self._rollbacks = state["rate_scale"], state["rollbacks"]
            self.step, self.best, self.seconds = state["step"], state["best"], dict(state["seconds"])
        except ConfigError:
            raise
        except Exception as error:  # torch raises many kinds for damaged files
            raise CheckpointError(f"{last}: cannot be resumed from: {str(error).splitlines()[0]}") from error
        self._uninspected.clear()
        self._stop_batches()

    @contextmanager
    def timed(self, what: str) -> Generator[None]:
        """Count the seconds in a block."""
        started = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - started

    def _state(self) -> dict[str, Any]:
        return {
            "config": as_tree(self._config),
            "network": get_model_state_dict(self._module, options=WHOLE),
            "optimizer": get_optimizer_state_dict(self._module, self._optimizer.optimizer, options=WHOLE),
            "average": {name: value.cpu() for name, value in self._average.full().items()},
            "precision": self._fabric.strategy.precision.state_dict(),
            "watch": self._watch.state(),
            "rate_scale": self._rate_scale,
            "rollbacks": self._rollbacks,
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
        initial = start_network(self._config, self._source.channels)
        set_model_state_dict(self._module, initial.state_dict(), options=WHOLE)
        self._optimizer.state.clear()
        self._average = WeightAverage(self._module)
        self._watch.forget()
        self._uninspected.clear()
        self._stop_batches()
        self.step = 0

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
                first = at.seen + (micro * world + rank) * size
                yield range(first, first + size), at.stage.patch
            step += 1

    @property
    def _workers(self) -> int:
        workers = self._config.data.workers
        if workers is None:
            return 4 if self._fabric.device.type != "cpu" else 0
        return workers

    def _stop_batches(self) -> None:
        if self._batches is not None:
            self._batches.close()
            self._batches = None
