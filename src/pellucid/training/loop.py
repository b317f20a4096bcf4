"""The training loop: steps, inspections, validations and checkpoints, until the schedule ends."""

import logging
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pellucid.errors import ConfigError
from pellucid.training.config import TrainConfig, resolve_epochs
from pellucid.training.launch import launch
from pellucid.training.monitor import Monitor
from pellucid.training.parse import write_config
from pellucid.training.run import LAST, MODEL, Run
from pellucid.training.schedule import position, stage_ends
from pellucid.training.sources import open_source
from pellucid.training.validation import Validation

log = logging.getLogger(__name__)

INSPECT_EVERY = 10  # steps


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Where a run is.

    Attributes:
        step, iterations: optimiser steps done, and in all.
        loss: mean over the steps that were inspected last; undefined before the first time.
        patch: side of the present crops.
        is_first: on the first process.
    """

    step: int
    iterations: int
    loss: float
    patch: int
    is_first: bool


def train(config: TrainConfig, *, resume: bool = False, on_step: Callable[[StepReport], None] | None = None) -> Path:
    """Run or resume a training run, in every process that torchrun started, or in this one.

    Args:
        config: the run.
        resume: go on from ``config.out/last.ckpt``: to the same weights, bit for bit on a CPU in fp32.
        on_step: called after each optimiser step.

    Returns:
        The path of the newest averaged weights, ``config.out/model.safetensors``.

    Raises:
        ConfigError: data that cannot be used, an existing run when ``resume`` is off or none when it is on, or a loss
            that leaps again and again.
        CheckpointError: a damaged ``last.ckpt``, or a full disk; the last good checkpoint survives.
        MissingExtraError: Lightning Fabric is not installed.
        KeyboardInterrupt: the run was stopped by SIGINT or SIGTERM, and saved first.
    """
    _check_folder(config.out, resume=resume)
    fabric = launch(config)
    source = open_source(config, fabric.device)
    config = resolve_epochs(config, len(source))
    _check_batches(config, fabric.world_size)
    validation = Validation(config.data) if config.data.val is not None else None
    with _interrupts() as interrupted, Run(fabric, config, source) as run:
        if resume:
            run.load(config.out / LAST)
            log.info("resumed %s at step %d", config.out, run.step)
        if fabric.is_global_zero:
            write_config(config, config.out / "config.yaml")
        monitor = Monitor(config.out, step=run.step, enabled=fabric.is_global_zero)
        ends = {*stage_ends(config)}
        while run.step < config.iterations:
            run.advance()
            if on_step:
                patch = position(config, run.step - 1).stage.patch
                on_step(
                    StepReport(
                        step=run.step,
                        iterations=config.iterations,
                        loss=run.loss,
                        patch=patch,
                        is_first=fabric.is_global_zero,
                    )
                )
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
                is_best = bool(scores) and _mean_psnr(scores) > run.best
                run.best = max(run.best, _mean_psnr(scores)) if scores else run.best
                run.save(is_best=is_best)
                monitor.row(_row(run, scores))
            elif stop:
                run.save(is_best=False)
            if stop:
                raise KeyboardInterrupt
        monitor.close()
    _say_where_time_went(run.seconds)
    return config.out / MODEL


def _check_folder(out: Path, *, resume: bool) -> None:
    last = out / LAST
    if last.exists() and not resume:
        raise ConfigError(f"{last} exists: resume it with --resume, or choose another --out")
    if resume and not last.exists():
        raise ConfigError(f"{last}: no such file to resume from")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made a folder ({error.strerror})") from None


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
        run.update_averaged()
        scores, shown = validation.score(run.averaged, fabric)
    monitor.scalars(run.step, scores)
    monitor.pictures(run.step, shown)
    log.info("step %d  %s", run.step, "  ".join(f"{name} {score:.4g}" for name, score in scores.items()))
    return scores


def _mean_psnr(scores: dict[str, float]) -> float:
    return fmean(score for name, score in scores.items() if name.startswith("psnr"))


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
