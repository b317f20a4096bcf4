"""What a training run is made of. Frozen, checked when made; ``parse`` reads it from YAML and writes it back.

More than 300 lines: every setting stands here with what it means, its default and its limits.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pellucid.degrade import compose
from pellucid.errors import ConfigError, did_you_mean
from pellucid.training.losses import LOSSES

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
STRATEGIES = ("auto", "ddp", "fsdp")
MOST_WORKERS = 256

Degradations = dict[str, dict[str, Any]]  # name → options, in the order in which they happen


class _Strict:
    """Unknown keys and values of another kind are errors, where pydantic reads a dataclass."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(_Strict):
    """What is trained.

    Attributes:
        name: a name for ``create_network``; None takes the architecture of ``init``.
        overrides: fields of that network's config.
        init: a checkpoint of any family, or the name of a bundled model, to start from instead of random weights.
        freeze: parameters that stay as they are: names, the names of modules that hold them, or patterns
            such as ``encoder.*``.
    """

    name: str | None = "ast-t"
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    init: Path | None = None
    freeze: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expand_home(self, "init")
        if self.name is None and self.init is None:
            raise ConfigError("network needs a name, or init: a checkpoint to start from")


@dataclass(frozen=True, kw_only=True)
class DataConfig(_Strict):
    """What it is trained and validated on.

    Attributes:
        train, val: folders of pairs in any layout that ``find_pairs`` knows or, with ``degrade``, of clean
            photographs. Without ``val`` there is no validation and no best checkpoint.
        degrade: what is done to clean photographs, by ``degrade.compose``: name → options.
        val_degrade: what is done to validation photographs, always the same: a label for the scores → as ``degrade``.
        val_crop: validate on the middle of each picture, of this side; None: on whole pictures, by tiles.
        dual_pixel: the input is two views from a dual-pixel sensor, 6 channels.
        grey: one channel, by ITU-R BT.601's luma.
        desaturate: share of clean photographs that lose their colour, in three equal channels, so that a network for
            colour learns black and white as well; with ``degrade``.
        retouch: share of clean photographs whose tones are changed first, by ``augment.retouched``: what people do to
            theirs is no haze; with ``degrade``.
        shrink: half of the crops of clean photographs are shrunk by a whole factor of up to this, and show that much
            more of the scene; with ``degrade``.
        decoys: what looks like a degradation and is none, such as blades of grass beside rain: done to clean
            photographs before ``degrade``, and part of what is to come out; as ``degrade``, and with it.
        longest: photographs are shrunk to this longer side, and so are those that the weights will restore: for what
            only the whole scene shows, such as haze. With ``degrade``.
        cache_gb: memory for decoded pictures, of training and as much again of validation, on each process; the
            rest is decoded each time.
        cache_on_device: hold them on the GPU.
        workers: threads that prepare batches ahead; None: 4 with a GPU, none without (they would slow the network
            down).
    """

    train: Path
    val: Path | None = None
    degrade: Degradations | None = None
    val_degrade: dict[str, Degradations] = field(default_factory=dict[str, Degradations])
    val_crop: int | None = None
    dual_pixel: bool = False
    grey: bool = False
    desaturate: float = 0.0
    retouch: float = 0.0
    shrink: int = 1
    decoys: Degradations = field(default_factory=dict[str, dict[str, Any]])
    longest: int | None = None
    cache_gb: float = 4.0
    cache_on_device: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        _expand_home(self, "train", "val")
        _at_least(self, 1, "val_crop", "longest", "shrink")
        _at_least(self, 0, "desaturate", "retouch", "cache_gb", "workers")
        for name in ("desaturate", "retouch"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name} must be at most 1, not {getattr(self, name)}")
        for name in ("desaturate", "retouch", "shrink", "decoys", "longest"):
            asked = self.shrink > 1 if name == "shrink" else getattr(self, name)
            if asked and self.degrade is None:
                raise ConfigError(f"data.{name} is for clean photographs, not for pairs")
        if self.workers is not None and self.workers > MOST_WORKERS:
            raise ConfigError(f"workers must be at most {MOST_WORKERS}, not {self.workers}")
        for degradations in (self.degrade, self.decoys, *self.val_degrade.values()):
            if degradations is not None:
                compose(degradations)
        if self.degrade is not None and self.val is not None and not self.val_degrade:
            raise ConfigError("data.val_degrade is needed to validate on clean photographs")
        if self.degrade is None and self.val_degrade:
            raise ConfigError("data.val_degrade is for clean photographs: make it {} for folders of pairs")
        for label in self.val_degrade:
            if not re.fullmatch(r"[\w.-]+", label):
                raise ConfigError(f"val_degrade: a label is made of letters, digits, _, . and -, not '{label}'")

    @property
    def cache_bytes(self) -> int:
        """``cache_gb`` in bytes."""
        return int(self.cache_gb * 2**30)


@dataclass(frozen=True, kw_only=True)
class Stage(_Strict):
    """One stage of progressive learning (Restormer §3.3): patches grow while batches shrink.

    Attributes:
        patch: side of the training crops.
        batch: crops for one optimiser step, in all: over all devices and accumulated micro-batches.
        iterations: optimiser steps.
        epochs: instead of ``iterations``: passes over the data.
        lr: a learning rate for this stage, which then has a warm-up and a cosine of its own (AST's way). If no stage
            has one, a single schedule spans them all (Restormer's way).
        warmup: optimiser steps of that warm-up; None: the optimiser's.
        accumulate: micro-batches whose gradients are added up before the optimiser steps.
        degrade: what is done to clean photographs in this stage, instead of ``data.degrade``: an easier start. This
            stage and those before it are counted in iterations.
    """

    patch: int = 128
    batch: int = 8
    iterations: int | None = None
    epochs: float | None = None
    lr: float | None = None
    warmup: int | None = None
    accumulate: int = 1
    degrade: Degradations | None = None

    def __post_init__(self) -> None:
        if self.degrade is not None:
            compose(self.degrade)
        _at_least(self, 1, "patch", "batch", "iterations", "accumulate")
        _at_least(self, 0, "warmup")
        _above_zero(self, "epochs", "lr")
        if (self.iterations is None) == (self.epochs is None):
            raise ConfigError("a stage needs either iterations or epochs")
        if self.batch % self.accumulate:
            raise ConfigError(f"a batch of {self.batch} cannot be accumulated over {self.accumulate} micro-batches")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(_Strict):
    """AdamW, and how its learning rate goes: up, held, down a cosine.

    Attributes:
        lr, min_lr: peak of the learning rate, and where its cosine ends.
        warmup: steps over which it rises linearly.
        warmup_epochs: instead of ``warmup``: passes over the data.
        hold: steps at the peak before the cosine begins (Restormer: 92,000); only in a schedule that spans all stages.
        weight_decay, betas: AdamW's.
        clip_norm: gradients are scaled down to this norm; None: never.
    """

    lr: float = 3e-4
    min_lr: float = 1e-6
    warmup: int = 0
    warmup_epochs: float | None = None
    hold: int = 0
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        _above_zero(self, "lr", "clip_norm", "warmup_epochs")
        _at_least(self, 0, "min_lr", "warmup", "hold", "weight_decay")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"betas must be at least 0 and below 1, not {self.betas}")
        if self.warmup and self.warmup_epochs:
            raise ConfigError("optimizer.warmup and warmup_epochs exclude each other")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Strict):
    """One run. A recipe gives the defaults; YAML and the command line override them.

    Paths are relative to the folder in which the run is started.

    Attributes:
        task: what the weights will be for; stored in them.
        network, data, stages, optimizer: see there.
        out: folder of the run: ``config.yaml``, ``last.ckpt`` (to resume), ``model.safetensors`` and
            ``best.safetensors`` (the averaged weights, newest and best), ``log.csv`` and TensorBoard's files.
        licence: of the weights; stored in them.
        loss: weights of the losses that are added up: charbonnier, l1, l2, psnr, cauchy, fft, edge.
        detection: weight of the error in telling degraded samples from clean ones by the features that a detector
            weighs (``training.probe``); 0: it is not learnt. Some samples must be clean.
        mixup: α of Beta(α, α) for blending every other sample with another (``data.MixUp``); None: never.
        ema: decay of the running average of the weights, which is what validation and users see; it rises to
            this as step / (step + 10).
        precision: "auto" (bf16 where the hardware has it), "fp32", "bf16" or "fp16" (GPU only).
        strategy: how processes started by torchrun share the work: "ddp", or "fsdp" where a network is too large.
        gradient_checkpointing: recompute activations in the backward pass: less memory, more time.
        compile: by torch.compile; pays on a GPU.
        every: steps between validations and checkpoints.
        rollbacks: how often in a row a run may go back to its last checkpoint, to other samples and half the
            learning rate, when the loss leaps or is no number, before it gives up.
        seed: of initial weights, crops and degradations.
        threads: CPU threads; None leaves PyTorch's choice.
    """

    task: str
    data: DataConfig
    stages: tuple[Stage, ...]
    out: Path
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    licence: str = "not stated"
    loss: dict[str, float] = field(default_factory=lambda: {"charbonnier": 1.0})
    detection: float = 0.0
    mixup: float | None = None
    ema: float = 0.999
    precision: str = "auto"
    strategy: str = "auto"
    gradient_checkpointing: bool = False
    compile: bool = False
    every: int = 1000
    rollbacks: int = 3
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        _at_least(self, 1, "every", "threads")
        _at_least(self, 0, "rollbacks", "seed", "ema", "detection")
        _above_zero(self, "mixup")
        _expand_home(self, "out")
        if self.ema >= 1:
            raise ConfigError(f"ema must be below 1, not {self.ema}")
        if self.seed >= 2**63:
            raise ConfigError(f"seed must be below 2**63, not {self.seed}")
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("strategy", self.strategy, STRATEGIES)
        if not self.stages:
            raise ConfigError("stages must list at least one stage")
        self._check_curriculum()
        if not self.loss:
            raise ConfigError(f"loss must weigh at least one of {', '.join(LOSSES)}")
        for name, weight in self.loss.items():
            _one_of("loss", name, LOSSES)
            if not 0 <= weight < math.inf:
                raise ConfigError(f"loss.{name} must be a finite number of at least 0, not {weight}")

    def _check_curriculum(self) -> None:
        staged = [index for index, stage in enumerate(self.stages) if stage.degrade is not None]
        if staged and self.data.degrade is None:
            raise ConfigError(f"stages.{staged[0]}.degrade is for clean photographs, not for pairs")
        if staged and any(stage.iterations is None for stage in self.stages[: staged[-1] + 1]):
            raise ConfigError("stages up to the last one with degrade must be counted in iterations, not in epochs")

    @property
    def iterations(self) -> int:
        """Optimiser steps in all; only once epochs are resolved."""
        return sum(stage.iterations or 0 for stage in self.stages)


def resolve_epochs(config: TrainConfig, photos: int) -> TrainConfig:
    """Say in optimiser steps what the config says in epochs of so many pairs or photographs."""
    warmup_epochs = config.optimizer.warmup_epochs
    stages = tuple(
        replace(
            stage,
            epochs=None,
            iterations=_steps(stage.epochs, photos, stage) if stage.epochs else stage.iterations,
            warmup=_steps(warmup_epochs, photos, stage) if warmup_epochs and stage.warmup is None else stage.warmup,
        )
        for stage in config.stages
    )
    warmup = (stages[0].warmup or 0) if warmup_epochs else config.optimizer.warmup
    return replace(config, stages=stages, optimizer=replace(config.optimizer, warmup=warmup, warmup_epochs=None))


def _steps(epochs: float, photos: int, stage: Stage) -> int:
    return max(math.ceil(epochs * photos / stage.batch), 1)


def as_tree(config: TrainConfig) -> dict[str, Any]:
    """The config as nested dicts and lists of plain values, as YAML and checkpoints store it."""
    return _plain(asdict(config))


def flattened(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted name → value, for every leaf of a config's tree."""
    if isinstance(tree, dict) and tree:
        return {k: v for key, item in tree.items() for k, v in flattened(item, f"{prefix}{key}.").items()}
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return {k: v for i, item in enumerate(tree) for k, v in flattened(item, f"{prefix}{i}.").items()}
    return {prefix.removesuffix("."): tree}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _expand_home(config: object, *names: str) -> None:
    """Let ~ mean the home folder, as a shell would have."""
    for name in names:
        if (path := getattr(config, name)) is not None:
            object.__setattr__(config, name, Path(path).expanduser())


def _at_least(config: object, least: int, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not least <= value < math.inf:
            raise ConfigError(f"{name} must be at least {least}, not {value}")


def _above_zero(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{name} must be above 0, not {value}")


def _one_of(what: str, name: str, known: Any) -> None:
    if name not in known:
        raise ConfigError(f"Unknown {what} '{name}'.{did_you_mean(name, known)}")
