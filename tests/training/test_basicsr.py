"""Option files of BasicSR, as people who train Restormer have them (written here from its documented keys)."""

from pathlib import Path

import pytest

from pellucid.errors import ConfigError
from pellucid.training.basicsr import translate
from pellucid.training.config import NetworkConfig, OptimizerConfig
from pellucid.training.recipes import RECIPES

DERAINING = """
name: Deraining_Restormer
model_type: ImageCleanModel
scale: 1
num_gpu: 8
manual_seed: 100
datasets:
  train:
    name: TrainSet
    type: Dataset_PairedImage
    dataroot_gt: ./Datasets/train/Rain13K/target
    dataroot_lq: ./Datasets/train/Rain13K/input
    geometric_augs: true
    filename_tmpl: '{}'
    io_backend: {type: disk}
    use_shuffle: true
    num_worker_per_gpu: 8
    batch_size_per_gpu: 8
    mini_batch_sizes: [8, 5, 4, 2, 1, 1]
    iters: [92000, 64000, 48000, 36000, 36000, 24000]
    gt_size: 384
    gt_sizes: [128, 160, 192, 256, 320, 384]
    dataset_enlarge_ratio: 1
    prefetch_mode: ~
  val:
    name: ValSet
    type: Dataset_PairedImage
    dataroot_gt: ./Datasets/test/Rain100L/target
    dataroot_lq: ./Datasets/test/Rain100L/input
    io_backend: {type: disk}
network_g:
  type: Restormer
  inp_channels: 3
  out_channels: 3
  dim: 48
  num_blocks: [4, 6, 6, 8]
  num_refinement_blocks: 4
  heads: [1, 2, 4, 8]
  ffn_expansion_factor: 2.66
  bias: False
  LayerNorm_type: WithBias
  dual_pixel_task: False
path:
  pretrain_network_g: ~
  strict_load_g: true
  resume_state: ~
train:
  total_iter: 300000
  warmup_iter: -1
  use_grad_clip: true
  scheduler:
    type: CosineAnnealingRestartCyclicLR
    periods: [92000, 208000]
    restart_weights: [1, 1]
    eta_mins: [0.0003, 0.000001]
  mixing_augs: {mixup: false, mixup_beta: 1.2, use_identity: true}
  optim_g: {type: AdamW, lr: !!float 3e-4, weight_decay: !!float 1e-4, betas: [0.9, 0.999]}
  pixel_opt: {type: L1Loss, loss_weight: 1, reduction: mean}
val:
  window_size: 8
  val_freq: !!float 4e3
  save_img: false
  rgb2bgr: true
  use_image: true
  max_minibatch: 8
  metrics:
    psnr: {type: calculate_psnr, crop_border: 0, test_y_channel: false}
logger:
  print_freq: 1000
  wandb: {project: ~, resume_id: ~}
dist_params: {backend: nccl, port: 29500}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_restormers_own_file_becomes_its_recipe(tmp_path: Path) -> None:
    config, left_out = translate(write(tmp_path / "deraining.yml", DERAINING))
    recipe = RECIPES["restormer-deraining"](config.data.train, config.data.val, config.out)
    assert left_out == []
    assert config.stages == recipe.stages
    assert config.optimizer == recipe.optimizer
    assert (config.task, config.loss, config.mixup, config.every, config.ema) == ("derain", {"l1": 1}, None, 4000, 0)
    assert config.data.train == Path("Datasets/train/Rain13K")
    assert config.data.val == Path("Datasets/test/Rain100L")
    assert config.seed == 100
    assert config.network == NetworkConfig(
        name="restormer",
        overrides={
            "in_channels": 3,
            "out_channels": 3,
            "dim": 48,
            "num_blocks": [4, 6, 6, 8],
            "num_refinement_blocks": 4,
            "num_heads": [1, 2, 4, 8],
            "ffn_expansion": 2.66,
            "bias": False,
            "dual_pixel": False,
            "bias_free_norm": False,
        },
    )


def changed(*changes: tuple[str, str]) -> str:
    text = DERAINING
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def test_what_has_no_counterpart_is_listed(tmp_path: Path) -> None:
    text = changed(
        ("AdamW", "Adam"),
        ("total_iter: 300000", "curriculum: hard"),
        ("./Datasets/train/Rain13K/input", "/elsewhere/input"),
        ("L1Loss", "CharbonnierLoss"),
    )
    config, left_out = translate(write(tmp_path / "x.yml", text))
    assert config.loss == {"charbonnier": 1.0}
    assert len(left_out) == 3
    assert any("lie apart" in line for line in left_out)
    assert "train.optim_g.type: Adam becomes AdamW" in left_out
    assert "train.curriculum: hard" in left_out


def test_gaussian_denoising_with_mixup(tmp_path: Path) -> None:
    text = changed(
        ("Dataset_PairedImage", "Dataset_GaussianDenoising"),
        ("    dataroot_lq: ./Datasets/train/Rain13K/input\n", ""),
        (
            "geometric_augs: true",
            "geometric_augs: true\n    sigma_type: random\n    sigma_range: [0, 50]\n    in_ch: 1",
        ),
        ("mixup: false", "mixup: true"),
        ("WithBias", "BiasFree"),
        ("inp_channels: 3\n  out_channels: 3", "inp_channels: 1\n  out_channels: 1"),
    )
    config, left_out = translate(write(tmp_path / "x.yml", text))
    assert config.data.degrade == {"gaussian": {"low": 0, "high": 50}}
    assert config.data.train == Path("Datasets/train/Rain13K/target")
    assert config.data.grey
    assert config.mixup == 1.2
    assert config.network.overrides["bias_free_norm"]
    assert left_out == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("total_iter: 300000", "total_iter: 100000", "train.total_iter: is not the sum"),
        ("geometric_augs: true", "geometric_augs: false", "always made"),
    ],
)
def test_what_is_only_nearly_the_same_is_said(old: str, new: str, said: str, tmp_path: Path) -> None:
    _, left_out = translate(write(tmp_path / "x.yml", changed((old, new))))
    assert len(left_out) == 1
    assert said in left_out[0]


def test_other_schedules_are_said_to_change(tmp_path: Path) -> None:
    text = changed(("[92000, 208000]", "[100, 100, 100]"))
    config, left_out = translate(write(tmp_path / "x.yml", text))
    assert config.optimizer == OptimizerConfig(lr=3e-4, min_lr=1e-6, weight_decay=1e-4, clip_norm=0.01)
    assert any("becomes one cosine" in line for line in left_out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "is no BasicSR option file"),
        (DERAINING.replace("type: Restormer", "type: NAFNet"), "network_g.type is NAFNet"),
        (DERAINING.replace("[8, 5, 4, 2, 1, 1]", "[8, 5]"), "different numbers of stages"),
        (DERAINING.replace("L1Loss", "GANLoss"), "GANLoss is not known"),
        (DERAINING.replace("num_gpu: 8", "num_gpu: auto"), "num_gpu is auto"),
        (DERAINING.replace("gt_size: 384", "gt_size: big"), "a value of an unexpected kind"),
        (DERAINING.replace("[92000, 64000, 48000, 36000, 36000, 24000]", "300000"), "a value of an unexpected kind"),
        (DERAINING.replace("[0.0003, 0.000001]", "[]"), "a value of an unexpected kind"),
        (DERAINING.replace("  optim_g", "  optim_x"), "has no train.optim_g.type"),
    ],
)
def test_files_that_cannot_be_translated_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        translate(write(tmp_path / "x.yml", text))
