"""BasicSR's option files, as Restormer and its descendants are trained with, as configs of ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.errors import ConfigError
from pellucid.training.config import TrainConfig, flattened
from pellucid.training.parse import load_yaml, parse_config
from pellucid.zoo.tasks import task_named

# their name of a network's argument → ours
RESTORMER_ARGUMENTS = {
    "inp_channels": "in_channels",
    "out_channels": "out_channels",
    "dim": "dim",
    "num_blocks": "num_blocks",
    "num_refinement_blocks": "num_refinement_blocks",
    "heads": "num_heads",
    "ffn_expansion_factor": "ffn_expansion",
    "bias": "bias",
    "dual_pixel_task": "dual_pixel",
}
LOSSES = {"L1Loss": "l1", "MSELoss": "l2", "CharbonnierLoss": "charbonnier", "FFTLoss": "fft", "EdgeLoss": "edge"}
MEANINGLESS = (  # of their files, workers and logs: nothing that changes the weights
    "model_type",
    "scale",
    "datasets.*.name",
    "datasets.*.io_backend",
    "datasets.*.use_shuffle",
    "datasets.*.prefetch_mode",
    "datasets.*.num_worker_per_gpu",
    "datasets.*.filename_tmpl",
    "datasets.*.dataset_enlarge_ratio",
    "path.strict_load_g",
    "val.save_img",
    "val.rgb2bgr",
    "val.use_image",
    "val.max_minibatch",
    "val.window_size",
    "val.metrics",
    "logger",
    "dist_params",
)


@dataclass
class _Options:
    """Options by dotted name, and which of them were used."""

    tree: Mapping[str, Any]
    used: set[str] = field(default_factory=set[str])

    def get(self, name: str, default: Any = None) -> Any:
        """An option, or the default; used from now on."""
        self.used.add(name)
        node: Any = self.tree
        for part in name.split("."):
            if not isinstance(node, Mapping) or node.get(part) is None:
                return default
            node = node[part]
        return node

    def need(self, name: str) -> Any:
        """An option that must be there."""
        value = self.get(name)
        if value is None:
            raise ConfigError(f"the option file has no {name}")
        return value

    def unused(self) -> Iterator[tuple[str, Any]]:
        """What was not used and has a meaning."""
        for name, value in flattened(self.tree).items():
            if value is None or any(_is_part(name, known) for known in (*self.used, *MEANINGLESS)):
                continue
            yield name, value


def translate(path: Path) -> tuple[TrainConfig, list[str]]:
    """Translate an option file.

    Args:
        path: the YAML file, with ``network_g.type: Restormer``.

    Returns:
        The config, and one line for each option that has no counterpart or is only nearly the same.

    Raises:
        ConfigError: no such file, no option file, or a network that is not Restormer.
    """
    tree = load_yaml(path)
    if not isinstance(tree, dict) or "network_g" not in tree or "datasets" not in tree:
        raise ConfigError(f"{path}: is no BasicSR option file: it has no network_g and datasets")
    try:
        return _translate(_Options(tree), path)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: an option has a value of an unexpected kind: {error}") from None


def _translate(options: _Options, path: Path) -> tuple[TrainConfig, list[str]]:
    notes: list[str] = []
    name = str(options.get("name", path.stem))
    translated: dict[str, Any] = {
        "task": task_named(name) or "restore",
        "out": f"runs/{name}",
        "seed": options.get("manual_seed", 0),
        "network": _network(options),
        "data": _data(options, notes),
        "stages": _stages(options),
        "optimizer": _optimizer(options, notes),
        "loss": {_loss(options): float(options.get("train.pixel_opt.loss_weight", 1.0))},
        "mixup": _mixup(options, notes),
        "every": int(float(options.get("val.val_freq", 4000))),
        "ema": float(options.get("train.ema_decay", 0.0)),
    }
    if options.get("train.pixel_opt.reduction", "mean") != "mean":
        notes.append("train.pixel_opt.reduction becomes mean")
    if int(float(options.get("train.total_iter", 0))) not in (
        0,
        sum(stage["iterations"] for stage in translated["stages"]),
    ):
        notes.append("train.total_iter: is not the sum of datasets.train.iters, which counts")
    config = parse_config(translated, name=str(path))
    return config, notes + [f"{name}: {value}" for name, value in options.unused()]


def _network(options: _Options) -> dict[str, Any]:
    kind = options.need("network_g.type")
    if kind != "Restormer":
        raise ConfigError(f"network_g.type is {kind}; only option files of Restormer can be translated")
    overrides = {ours: options.get(f"network_g.{theirs}") for theirs, ours in RESTORMER_ARGUMENTS.items()}
    overrides["bias_free_norm"] = options.get("network_g.LayerNorm_type", "WithBias") == "BiasFree"
    network: dict[str, Any] = {
        "name": "restormer",
        "overrides": {name: value for name, value in overrides.items() if value is not None},
    }
    if options.get("path.pretrain_network_g"):
        network["init"] = options.get("path.pretrain_network_g")
    return network


def _data(options: _Options, notes: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {"train": _folder(options, "train", notes)}
    if options.get("datasets.val.dataroot_gt"):
        data["val"] = _folder(options, "val", notes)
    kind = options.get("datasets.train.type", "")
    options.get("datasets.val.type")
    if "Gaussian" in kind:
        data.update(_gaussian(options, notes))
    if "DualPixel" in kind:
        data["dual_pixel"] = True
    if not options.get("datasets.train.geometric_augs", True):
        notes.append("datasets.train.geometric_augs: flips and quarter turns are always made")
    return data


def _gaussian(options: _Options, notes: list[str]) -> dict[str, Any]:
    """Noise made on the fly; a range is blind, a number is one strength."""
    sigma = options.need("datasets.train.sigma_range")
    kind = options.get("datasets.train.sigma_type", "random")
    if isinstance(sigma, list) and (kind != "random" or len(sigma) != 2):
        notes.append(f"datasets.train.sigma_type: {kind} of {sigma} becomes uniform between the least and the greatest")
    low, high = (min(sigma), max(sigma)) if isinstance(sigma, list) else (sigma, sigma)
    tested = options.get("datasets.val.sigma_test", 25)
    grey = options.get("datasets.train.in_ch", 3) == 1
    options.get("datasets.val.in_ch")
    return {
        "degrade": {"gaussian": {"low": low, "high": high}},
        "val_degrade": {f"sigma{tested}": {"gaussian": {"low": tested, "high": tested}}},
        "grey": grey,
    }


def _folder(options: _Options, which: str, notes: list[str]) -> str:
    """The folder that holds both of theirs, or clean pictures alone."""
    target = Path(options.need(f"datasets.{which}.dataroot_gt"))
    inputs = options.get(f"datasets.{which}.dataroot_lq") or options.get(f"datasets.{which}.dataroot_lqC")
    for view in ("dataroot_lqL", "dataroot_lqR"):
        inputs = options.get(f"datasets.{which}.{view}") or inputs
    if inputs is None or Path(inputs) == target:
        return str(target)
    if Path(inputs).parent != target.parent:
        notes.append(f"datasets.{which}: {inputs} and {target} lie apart; put them side by side in one folder")
    return str(target.parent)


def _stages(options: _Options) -> list[dict[str, Any]]:
    """Progressive learning; their batches and patch are of one GPU."""
    gpus = options.get("num_gpu", 1)
    if gpus == "auto":
        raise ConfigError("num_gpu is auto: say how many, since batches are for each")
    gpus = int(gpus) or 1
    batch = int(options.need("datasets.train.batch_size_per_gpu"))
    patch = int(options.need("datasets.train.gt_size"))
    iterations = options.get("datasets.train.iters", [int(float(options.get("train.total_iter", 300_000)))])
    patches = options.get("datasets.train.gt_sizes", [patch])
    batches = options.get("datasets.train.mini_batch_sizes", [batch])
    if not len(iterations) == len(patches) == len(batches):
        raise ConfigError("datasets.train: iters, gt_sizes and mini_batch_sizes list different numbers of stages")
    return [
        {"patch": p, "batch": b * gpus, "iterations": int(i)}
        for p, b, i in zip(patches, batches, iterations, strict=True)
    ]


def _optimizer(options: _Options, notes: list[str]) -> dict[str, Any]:
    kind = options.need("train.optim_g.type")
    if kind != "AdamW":
        notes.append(f"train.optim_g.type: {kind} becomes AdamW")
    lr = float(options.need("train.optim_g.lr"))
    optimizer: dict[str, Any] = {
        "lr": lr,
        "weight_decay": float(options.get("train.optim_g.weight_decay", 0.01)),
        "betas": options.get("train.optim_g.betas", [0.9, 0.999]),
        "warmup": max(int(options.get("train.warmup_iter", 0)), 0),
        "clip_norm": 0.01 if options.get("train.use_grad_clip", True) else None,  # fixed in their training code
    }
    schedule = options.get("train.scheduler.type")
    floors = options.get("train.scheduler.eta_mins", [options.get("train.scheduler.eta_min", 1e-6)])
    periods = options.get("train.scheduler.periods", [])
    restarts = options.get("train.scheduler.restart_weights", [1] * len(periods))
    if schedule == "CosineAnnealingRestartCyclicLR" and len(periods) == 2 and float(floors[0]) == lr:
        optimizer |= {"hold": int(periods[0]), "min_lr": float(floors[1])}
    else:
        optimizer |= {"min_lr": float(floors[-1])}
        if schedule != "TrueCosineAnnealingLR" or len(set(restarts)) > 1:
            notes.append(f"train.scheduler: {schedule} with periods {periods} becomes one cosine")
    return optimizer


def _loss(options: _Options) -> str:
    kind = options.get("train.pixel_opt.type", "L1Loss")
    if kind not in LOSSES:
        raise ConfigError(f"train.pixel_opt.type {kind} is not known; known are {', '.join(LOSSES)}")
    return LOSSES[kind]


def _mixup(options: _Options, notes: list[str]) -> float | None:
    beta = options.get("train.mixing_augs.mixup_beta", 1.2)
    is_on = options.get("train.mixing_augs.mixup", False)
    if is_on and not options.get("train.mixing_augs.use_identity", True):
        notes.append("train.mixing_augs.use_identity: every other sample stays as it is")
    options.get("train.mixing_augs.use_identity")
    return float(beta) if is_on else None


def _is_part(name: str, known: str) -> bool:
    """Whether an option is the known one or inside it; ``*`` stands for one part."""
    parts, pattern = name.split("."), known.split(".")
    return len(parts) >= len(pattern) and all(k in ("*", p) for p, k in zip(parts, pattern, strict=False))
