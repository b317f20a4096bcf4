"""The training loop, on Lightning Fabric: bf16 where the machine has it, EMA, validation, exact resume."""

import copy
import csv
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.atomic import replacing
from pellucid.blocks.transformer import set_gradient_checkpointing
from pellucid.checkpoints.save import save_network
from pellucid.data.synthetic import Degradation, SyntheticPairs, load_folder
from pellucid.errors import CheckpointError, ConfigError, MissingExtraError
from pellucid.imaging import to_depth
from pellucid.memory import keep_freed_memory
from pellucid.metrics import psnr
from pellucid.models import create_network
from pellucid.training.config import TrainConfig
from pellucid.training.losses import charbonnier
from pellucid.training.schedule import warmup_cosine

log = logging.getLogger(__name__)

VAL_SIDE = 128  # validation sees the middle of each photo
LICENCE = "Apache-2.0"
WEIGHTS = "model.safetensors"
FIXED = ("task", "network", "overrides", "patch", "batch", "seed")  # must not change when a run is resumed
FREE = ("iterations", "warmup", "lr", "min_lr", "weight_decay", "clip_norm", "ema", "precision")  # may, and it is said

Validation = Callable[[nn.Module], dict[str, float]]
OnStep = Callable[[int, float], None]


def train(
    config: TrainConfig,
    degradation: Degradation,
    val_degradations: Mapping[str, Degradation],
    *,
    resume: bool = False,
    on_step: OnStep | None = None,
) -> Path:
    """Run or resume a training run.

    Args:
        config: the run.
        degradation: makes training inputs of clean crops.
        val_degradations: by name, those that validation averages over.
        resume: go on from ``config.out/last.ckpt``.
        on_step: called with the number of steps done and the last one's loss.

    Returns:
        The path of the averaged weights, ``config.out/model.safetensors``.

    Raises:
        ConfigError: unusable folders, an existing run when ``resume`` is off, none when it is on, or one of
            another network, patch, batch or seed.
        CheckpointError: a damaged ``last.ckpt``.
        MissingExtraError: Lightning Fabric is not installed.
    """
    fabric = _fabric(config)
    last = config.out / "last.ckpt"
    if last.exists() and not resume:
        raise ConfigError(f"{last} exists: resume it with --resume, or choose another --out")
    if resume and not last.exists():
        raise ConfigError(f"{last}: no such file to resume from")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{config.out}: cannot be made a folder ({error.strerror})") from None

    pairs = SyntheticPairs(
        photos=load_folder(config.data, smallest=config.patch),
        degradation=degradation,
        patch=config.patch,
        batch=config.batch,
        seed=config.seed * 7919 + fabric.global_rank,
    )
    validate = _validation(load_folder(config.val), val_degradations, fabric.device)

    torch.manual_seed(config.seed)
    network = create_network(config.network, **config.overrides)
    set_gradient_checkpointing(network, config.gradient_checkpointing)
    average = copy.deepcopy(network).to(fabric.device).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    network, optimizer = fabric.setup(network, optimizer)
    network.train()

    step, seconds = _resume(last, config, network, average, optimizer) if resume else (0, 0.0)
    started = time.monotonic() - seconds
    while step < config.iterations:
        loss = _step(fabric, config, network, optimizer, pairs, step)
        step += 1
        _update_average(average, network, decay=min(config.ema, step / (step + 10)))
        if on_step:
            on_step(step, loss)
        if step % config.every == 0 or step == config.iterations:
            scores = validate(average)
            seconds = time.monotonic() - started
            if fabric.is_global_zero:
                _save(last, config, network, average, optimizer, step=step, seconds=seconds)
                _append_log(config.out / "log.csv", step, seconds, loss, scores)
            log.info("step %d  %s", step, "  ".join(f"{name} {score:.2f} dB" for name, score in scores.items()))
    return config.out / WEIGHTS


def _fabric(config: TrainConfig) -> Any:
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise MissingExtraError("Training", "train") from None
    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()
    bf16 = config.precision == "bf16" or (config.precision == "auto" and _has_bf16())
    fabric = Fabric(precision="bf16-mixed" if bf16 else "32-true")
    fabric.launch()
    return fabric


def _has_bf16() -> bool:
    """Whether matrices multiply in bf16 in hardware: elsewhere it is emulated, and slower than fp32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]


def _step(
    fabric: Any,
    config: TrainConfig,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    pairs: SyntheticPairs,
    step: int,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = warmup_cosine(
            step,
            peak=config.lr,
            floor=config.min_lr,
            warmup=min(config.warmup, config.iterations // 10),
            total=config.iterations,
        )
    degraded, clean = (images.to(fabric.device) for images in pairs(step))
    loss = charbonnier(network(degraded), clean)
    fabric.backward(loss)
    fabric.clip_gradients(network, optimizer, max_norm=config.clip_norm, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value = loss.item()
    if not math.isfinite(value):
        raise ConfigError(f"the loss became {value} at step {step + 1}: resume from last.ckpt with a lower lr")
    return value


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, *, decay: float) -> None:
    for target, source in zip(average.parameters(), network.parameters(), strict=True):
        target.lerp_(source, 1 - decay)


def _validation(photos: list[Tensor], degradations: Mapping[str, Degradation], device: torch.device) -> Validation:
    """PSNR of a network on the middle of each photo, for each degradation, always the same ones."""
    clean = [_middle(photo)[None].float() / 255 for photo in photos]

    @torch.inference_mode()
    def validate(network: nn.Module) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name, degradation in degradations.items():
            rng = torch.Generator().manual_seed(0)
            values: list[float] = []
            for target in clean:
                degraded = degradation.apply(target, degradation.sample(rng, 1))
                restored = network(degraded.to(device)).cpu()
                values.append(psnr(_to_uint8(restored), _to_uint8(target)))
            scores[name] = sum(values) / len(values)
        return scores

    return validate


def _middle(photo: Tensor) -> Tensor:
    y, x = ((size - min(size, VAL_SIDE)) // 2 for size in photo.shape[1:])
    return photo[:, y : y + VAL_SIDE, x : x + VAL_SIDE]


def _to_uint8(image: Tensor) -> Any:
    return to_depth(image[0].permute(1, 2, 0).numpy(), np.uint8)


def _save(
    last: Path,
    config: TrainConfig,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    seconds: float,
) -> None:
    """Write all that resuming needs, and the averaged weights for use."""
    state = {
        "config": {name: getattr(config, name) for name in (*FIXED, *FREE)},
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "step": step,
        "seconds": seconds,
    }
    try:
        with replacing(last) as temporary:
            torch.save(state, temporary)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{last}: cannot be written: {error}") from error
    notes = {"iterations": str(step), "hours": f"{seconds / 3600:.2f}"}
    save_network(average, last.with_name(WEIGHTS), task=config.task, licence=LICENCE, notes=notes)


def _resume(
    last: Path, config: TrainConfig, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """Put back what ``_save`` wrote; returns the steps done and the seconds they took."""
    try:
        state: dict[str, Any] = torch.load(last, weights_only=True, map_location="cpu")
        stored: dict[str, Any] = state["config"]
        for name in FIXED:
            if stored[name] != getattr(config, name):
                raise ConfigError(f"{last}: was made with {name} {stored[name]}, not {getattr(config, name)}")
        for name in FREE:
            if stored[name] != getattr(config, name):
                log.warning("resumed with %s %s instead of %s", name, getattr(config, name), stored[name])
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])
    except ConfigError:
        raise
    except Exception as error:  # torch raises many kinds for damaged files
        raise CheckpointError(f"{last}: cannot be resumed from: {error}") from error
    log.info("resumed %s at step %d", config.out, state["step"])
    return state["step"], state["seconds"]


def _append_log(path: Path, step: int, seconds: float, loss: float, scores: dict[str, float]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", "seconds", "loss", *scores])
        writer.writerow([step, f"{seconds:.0f}", f"{loss:.5f}", *(f"{value:.3f}" for value in scores.values())])
