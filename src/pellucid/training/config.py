"""What a training run is made of."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run. A recipe gives the defaults; the command line overrides them.

    Attributes:
        task: what the weights will be for; stored in them.
        network: a name for ``create_network``.
        overrides: fields of that network's config.
        data: folder of clean photographs, searched to any depth.
        val: folder of photographs to validate on.
        out: folder of the run: ``last.ckpt`` (to resume), ``model.safetensors`` (the averaged weights), ``log.csv``.
        patch: side of the training crops.
        batch: crops per step, on each device.
        iterations: optimiser steps in all.
        warmup: steps over which the learning rate rises linearly; at most a tenth of ``iterations``.
        lr, min_lr: peak of the learning rate, and where its cosine ends.
        weight_decay: AdamW's.
        clip_norm: gradients are scaled down to this norm.
        ema: decay of the running average of the weights, which is what validation and users see; it rises to
            this as step / (step + 10).
        gradient_checkpointing: recompute activations in the backward pass: less memory, more time.
        precision: "auto" (bf16 where the hardware has it), "fp32" or "bf16".
        every: steps between validations and checkpoints.
        seed: of initial weights, crops and degradations.
        threads: CPU threads; None leaves PyTorch's choice.
    """

    task: str
    network: str
    data: Path
    val: Path
    out: Path
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    patch: int = 128
    batch: int = 8
    iterations: int = 10_000
    warmup: int = 200
    lr: float = 1e-3
    min_lr: float = 1e-6
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    ema: float = 0.999
    gradient_checkpointing: bool = False
    precision: str = "auto"
    every: int = 500
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("patch", "batch", "iterations", "every", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision must be auto, fp32 or bf16, not '{self.precision}'")
