"""Every recipe, on made-up data in its data set's layout, for two steps of a network that is small."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pellucid.checkpoints import open_checkpoint
from pellucid.training import TrainConfig, train
from pellucid.training.config import Stage, resolve_epochs
from pellucid.training.network import start_network
from pellucid.training.presets import SMALL_GPU_PIXELS, small_gpu
from pellucid.training.recipes import RECIPES
from pellucid.training.schedule import learning_rate

from conftest import TINY_AST, deep, textured

TINY = {
    "ast-t": TINY_AST,
    "ast-b": TINY_AST,
    "ast-m": TINY_AST,
    "astv2-s": {"dim": 24, "num_blocks": (1, 1, 1), "num_refinement_blocks": 1, "num_heads": (1, 1, 1)},
    "restormer": {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1, "num_heads": (1, 1, 1, 1)},
}


def clean(root: Path) -> None:
    for i in range(2):
        textured(root / f"{i}.png", seed=i)


def folders(inputs: str, targets: str) -> Any:
    """Two pairs; {} is the scene's number."""

    def make(root: Path) -> None:
        for i in range(2):
            textured(root / inputs.format(i), seed=i)
            textured(root / targets.format(i), seed=i + 10)

    return make


def spad(root: Path) -> None:
    folders("real_world/{}.png", "real_world_gt/{}.png")(root)
    lines = [f"/real_world/{i}.png /real_world_gt/{i}.png\n" for i in range(2)]
    (root / "real_world.txt").write_text("".join(lines))


def dpdd(root: Path) -> None:
    for i in range(2):
        for view, role in (("c", "source"), ("c", "target"), ("l", "source"), ("r", "source")):
            deep(root / f"train_{view}" / role / f"{i}.png", seed=i)


LAYOUTS = {
    "ast-spad": spad,
    "ast-agan": folders("data/{}_rain.png", "gt/{}_clean.png"),
    "ast-dense-haze": folders("hazy/0{}_hazy.png", "GT/0{}_GT.png"),
    "astv2-spad": spad,
    "astv2-gopro": folders("GOPR0{}/blur/000001.png", "GOPR0{}/sharp/000001.png"),
    "astv2-sots": folders("hazy/000{}_0.8_0.2.jpg", "gt/000{}.png"),
    "restormer-deraining": folders("Rain13K/input/{}.jpg", "Rain13K/target/{}.jpg"),
    "restormer-motion-deblurring": folders("input_crops/{}.png", "target_crops/{}.png"),
    "restormer-defocus-single": dpdd,
    "restormer-defocus-dual": dpdd,
    "restormer-real-denoising": folders("000{0}_S6/000{0}_NOISY_SRGB_010.PNG", "000{0}_S6/000{0}_GT_SRGB_010.PNG"),
}


def recipe(name: str, root: Path) -> TrainConfig:
    return RECIPES[name](root / "train", root / "val", root / "run")


@pytest.mark.parametrize("name", RECIPES)
def test_two_steps_on_data_in_its_layout(name: str, tmp_path: Path) -> None:
    for folder in ("train", "val"):
        LAYOUTS.get(name, clean)(tmp_path / folder)
    config = recipe(name, tmp_path)
    overrides = config.network.overrides | TINY[config.network.name or ""]
    network = replace(config.network, overrides=overrides, init=None)  # bundled weights do not fit a tiny network
    first, last = config.stages[0], config.stages[-1]
    stages = tuple(replace(stage, patch=32, batch=1, iterations=1, epochs=None) for stage in (first, last))
    short = replace(config, network=network, stages=stages, every=2, precision="fp32")
    checkpoint = open_checkpoint(train(short))
    assert checkpoint.metadata["task"] == config.task
    assert checkpoint.metadata["iterations"] == "2"
    header, scores = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert "psnr" in header
    assert all(np.isfinite(float(score)) for score in scores.split(","))


@pytest.mark.parametrize("name", RECIPES)
def test_its_own_network_can_be_built_at_its_patches(name: str, tmp_path: Path) -> None:
    config = recipe(name, tmp_path)
    channels = 6 if config.data.dual_pixel else 1 if config.data.grey else 3, 1 if config.data.grey else 3
    with torch.device("meta"):
        network = start_network(replace(config, network=replace(config.network, init=None)), channels)
    for stage in config.stages:
        assert stage.patch % network.stride == 0  # no padding in training
        assert stage.batch % small_gpu(config).stages[config.stages.index(stage)].accumulate == 0


@pytest.mark.parametrize("name", RECIPES)
def test_it_says_command_data_and_score(name: str) -> None:
    text = RECIPES[name].__doc__ or ""
    assert f"pellucid train {name} --data" in text
    assert "Expected" in text or "Score" in text
    assert "een by us" in text  # Seen, or Not seen


def test_restormers_schedule_is_the_papers(tmp_path: Path) -> None:
    config = recipe("restormer-deraining", tmp_path)
    assert config.iterations == 300_000
    assert learning_rate(config, 0) == learning_rate(config, 91_999) == pytest.approx(3e-4)
    assert learning_rate(config, 92_000 + 104_000) == pytest.approx(1.505e-4, rel=1e-3)
    assert learning_rate(config, 299_999) == pytest.approx(1e-6)


def test_asts_stages_are_runs_of_their_own(tmp_path: Path) -> None:
    config = resolve_epochs(recipe("ast-agan", tmp_path), photos=861)
    first, second, third = config.stages
    assert (first.iterations, second.iterations, third.iterations) == (8072, 10763, 16144)
    assert first.warmup == 81  # three epochs of 861 pairs in batches of 32
    assert learning_rate(config, 80) == pytest.approx(2e-4)
    assert learning_rate(config, 8071) == pytest.approx(1e-6)
    assert learning_rate(config, 8072 + 162) == pytest.approx(1e-4, rel=1e-3)
    assert learning_rate(config, config.iterations - 1) == pytest.approx(1e-6)


def test_a_small_gpu_sees_the_same_batches_in_small_pieces(tmp_path: Path) -> None:
    config = recipe("restormer-deraining", tmp_path)
    small = small_gpu(config)
    assert small.gradient_checkpointing
    for stage, before in zip(small.stages, config.stages, strict=True):
        assert replace(stage, accumulate=1) == before
        micro_batch = stage.batch // stage.accumulate
        assert micro_batch == 1 or micro_batch * stage.patch**2 <= SMALL_GPU_PIXELS
    assert small.stages[0] == Stage(patch=128, batch=64, iterations=92_000, accumulate=32)
