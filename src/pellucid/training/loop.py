"""The training loop: steps, inspections, validations and checkpoints, until the schedule ends."""

import logging
import math
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from pellucid.atomic import sweep
from pellucid.errors import ConfigError, ImageError, RestoreError, TrainingError
from pellucid.training.config import TrainConfig, resolve_epochs
from pellucid.training.launch import launch
from pellucid.training.monitor import Monitor
from pellucid.training.parse import is_written_by_us, write_config
from pellucid.training.run import BEST, LAST, MODEL, Run
from pellucid.training.schedule import position, stage_ends
from pellucid.training.sources import open_source
from pellucid.training.validation import Validation

log = logging.getLogger(__name__)

CONFIG = "config.yaml"
INSPECT_EVERY = 10  # steps


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Where a run is.

    Attributes:
        step, iterations: optimiser steps done, and in all.
        loss: mean over the steps that were inspected last; undefined before the first time.
        patch: side of the present crops.
    """

    step: int
    iterations: int
    loss: float
    patch: int


def train(config: TrainConfig, *, resume: bool = False, on_step: Callable[[StepReport], None] | None = None) -> Path:
    """Run or resume a training run, in every process that torchrun started, or in this one.

    Args:
        config: the run. On several nodes, ``out`` must be a folder that all of them see.
        resume: go on from ``config.out/last.ckpt``: to the same weights, bit for bit on a CPU in fp32 with as many
            threads, wherever the run was killed. (If it was interrupted and saved, and its loss fails later, it goes
            back to that save.)
        on_step: called after each optimiser step.

    Returns:
        The path of the newest averaged weights, ``config.out/model.safetensors``.

    Raises:
        ConfigError: data that cannot be used, files in ``out`` when ``resume`` is off or no run when it is on.
        CheckpointError: a damaged ``last.ckpt``, or a full disk; the last good checkpoint survives.
        TrainingError: a loss that leaps again and again, or another process that is gone.
        ImageError, RestoreError: a damaged picture, or a network that gives no numbers. As with all errors but a
            failing loss, a single process saves first what was done.
        MissingExtraError: Lightning Fabric is not installed.
        KeyboardInterrupt: the run was stopped by SIGINT or SIGTERM, and saved first.
    """
    _check_folder(config.out, resume=resume)
    fabric = launch(config)
    try:
        return _train(fabric, config, resume, on_step)
    except (torch.distributed.DistError, RuntimeError) as error:
        if fabric.world_size > 1 and _is_lost_peer(error):
            raise TrainingError("another process of this run is gone; what it said tells why") from None
        raise


def _train(fabric: Any, config: TrainConfig, resume: bool, on_step: Callable[[StepReport], None] | None) -> Path:
    source = open_source(config, fabric.device)
    config = resolve_epochs(config, len(source))
    _check_batches(config, fabric.world_size)
    if config.optimizer.warmup >= config.iterations:
        log.warning("the warm-up takes %d steps, the run %d", config.optimizer.warmup, config.iterations)
    validation = Validation(config.data.val, config.data) if config.data.val is not None else None
    with _interrupts() as interrupted, Run(fabric, config, source) as run:
        if resume:
            run.load(config.out / LAST)
            log.info("resumed %s at step %d of %d", config.out, run.step, config.iterations)
            if run.step >= config.iterations:
                log.warning("nothing is left to do")
                return config.out / MODEL
        if fabric.is_global_zero:
            sweep(config.out)
            write_config(config, config.out / CONFIG)
        with Monitor(config.out, step=run.step, enabled=fabric.is_global_zero) as monitor:
            try:
                _run_schedule(run, config, fabric, validation, monitor, interrupted, on_step)
            except (ConfigError, ImageError, RestoreError):
                _save_work(run, fabric)
                raise
        _say_where_time_went(run.seconds)
    return config.out / MODEL


def _run_schedule(
    run: Run,
    config: TrainConfig,
    fabric: Any,
    validation: Validation | None,
    monitor: Monitor,
    interrupted: Callable[[], bool],
    on_step: Callable[[StepReport], None] | None,
) -> None:
    ends = {*stage_ends(config)}
    while run.step < config.iterations:
        run.advance()
        if on_step:
            patch = position(config, run.step - 1).stage.patch
            on_step(StepReport(step=run.step, iterations=config.iterations, loss=run.loss, patch=patch))
        is_due = run.step % config.every == 0 or run.step == config.iterations
        alone_and_interrupted = interrupted() and fabric.world_size == 1
        if not (is_due or run.step in ends or run.step % INSPECT_EVERY == 0 or alone_and_interrupted):
            continue
        fault, stop = run.inspect(stop=interrupted())
        if fault:
            run.roll_back(fault)
            continue
        monitor.scalars(run.step, {"loss": run.loss, "rate": run.rate, "grad_norm": run.grad_norm})
        if is_due:
            scores = _validate(run, validation, fabric, monitor)
            mean = _mean_psnr(scores)
            is_best, run.best = mean > run.best, max(mean, run.best)
            monitor.row(_row(run, scores))  # before the checkpoint: a row too many is struck out on resuming
            run.save(is_best=is_best)
        elif stop:
            run.save(is_best=False)
        if stop:
            raise KeyboardInterrupt


def _save_work(run: Run, fabric: Any) -> None:
    """Save the steps since the last checkpoint, when a picture ends a run; processes that wait cannot take part."""
    if fabric.world_size == 1 and run.step and run.is_sound():
        run.save(is_best=False)
        log.warning("saved at step %d", run.step)


def _check_folder(out: Path, *, resume: bool) -> None:
    """Make the folder of a run, and refuse one whose files it would cost.

    Raises:
        ConfigError: it holds files of a run or of the user's and ``resume`` is off, or no run and it is on, or it
            cannot be made.
    """
    last, config = out / LAST, out / CONFIG
    if resume and not last.exists():
        raise ConfigError(f"{last}: no such file to resume from")
    if not resume:
        if last.exists():
            raise ConfigError(f"{last} exists: `resume=True` goes on with it, or choose another `out`")
        kept = [out / name for name in (MODEL, BEST, "log.csv") if (out / name).exists()]
        kept += [config] if config.exists() and not is_written_by_us(config) else []
        if kept:
            raise ConfigError(f"{kept[0]} exists, and would be overwritten: choose another `out`")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made a folder ({error.strerror})") from None


def _is_lost_peer(error: Exception) -> bool:
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)


def _check_batches(config: TrainConfig, world: int) -> None:
    for index, stage in enumerate(config.stages):
        if stage.batch % (world * stage.accumulate):
            raise ConfigError(
                f"stages.{index}: a batch of {stage.batch} cannot be split over {world} processes "
                f"with {stage.accumulate} micro-batches each"
            )


def _validate(run: Run, validation: Validation | None, fabric: Any, monitor: Monitor) -> dict[str, float]:
    if validation is None:
        return {}
    with run.timed("validation"):
        scores, shown = validation.score(run.averaged, fabric)
    monitor.scalars(run.step, scores)
    monitor.pictures(run.step, shown)
    log.info("step %d  %s", run.step, "  ".join(f"{name} {score:.4g}" for name, score in scores.items()))
    return scores


def _mean_psnr(scores: dict[str, float]) -> float:
    """Of all labels; nothing is worse than no scores."""
    decibels = [score for name, score in scores.items() if name.startswith("psnr")]
    return fmean(decibels) if decibels else -math.inf


def _row(run: Run, scores: dict[str, float]) -> dict[str, str]:
    return {
        "step": str(run.step),
        "seconds": f"{sum(run.seconds.values()):.0f}",
        "loss": f"{run.loss:.5f}",
        **{name: f"{score:.4f}" for name, score in scores.items()},
    }


def _say_where_time_went(seconds: dict[str, float]) -> None:
    total = sum(seconds.values()) or 1.0
    shares = ", ".join(f"{what} {100 * spent / total:.1f} %" for what, spent in seconds.items())
    log.info("%.0f seconds: %s", total, shares)


@contextmanager
def _interrupts() -> Generator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a question that the loop asks; the second acts at once."""
    asked = threading.Event()
    before: dict[int, Any] = {}

    def ask(number: int, frame: Any) -> None:
        asked.set()
        log.warning("stopping after this step; once more to stop at once, without saving")
        for known, handler in before.items():
            signal.signal(known, handler)

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
