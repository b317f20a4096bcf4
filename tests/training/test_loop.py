from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.checkpoints import load_network, open_checkpoint
from pellucid.degrade import GaussianNoise
from pellucid.errors import CheckpointError, ConfigError
from pellucid.training.config import TrainConfig
from pellucid.training.loop import train
from pellucid.training.losses import charbonnier
from pellucid.training.recipes import RECIPES
from pellucid.training.schedule import warmup_cosine

from conftest import TINY_AST

VALIDATION = {"sigma25": GaussianNoise(low=25, high=25)}


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((96, 80)).save(tmp_path / folder / "photo.png")
    return TrainConfig(
        task="denoise",
        network="ast-t",
        overrides=TINY_AST,
        data=tmp_path / "train",
        val=tmp_path / "val",
        out=tmp_path / "run",
        patch=32,
        batch=2,
        iterations=6,
        warmup=2,
        every=3,
        precision="fp32",
    )


def run(config: TrainConfig, **options: bool) -> dict[str, torch.Tensor]:
    return load_network(train(config, GaussianNoise(), VALIDATION, **options)).state_dict()


class Killed(Exception):
    pass


@pytest.mark.parametrize("killed_at", [3, 5])
def test_a_run_that_was_killed_ends_with_the_same_weights(config: TrainConfig, killed_at: int) -> None:
    undisturbed = run(replace(config, out=config.out / "a"))

    def kill(step: int, loss: float) -> None:
        if step == killed_at:
            raise Killed

    disturbed = replace(config, out=config.out / "b", every=2)
    with pytest.raises(Killed):
        train(disturbed, GaussianNoise(), VALIDATION, on_step=kill)
    resumed = run(disturbed, resume=True)
    assert all(torch.equal(resumed[key], tensor) for key, tensor in undisturbed.items())


def test_the_result_says_what_it_is(config: TrainConfig) -> None:
    checkpoint = open_checkpoint(train(config, GaussianNoise(), VALIDATION))
    assert checkpoint.family.name == "ast"
    assert checkpoint.config.embed_dim == TINY_AST["embed_dim"]
    assert checkpoint.metadata["task"] == "denoise"
    assert checkpoint.metadata["iterations"] == "6"


def test_training_lowers_the_loss(config: TrainConfig) -> None:
    losses: list[float] = []
    longer = replace(config, iterations=40, every=40, warmup=4, lr=3e-3)
    train(longer, GaussianNoise(low=40, high=40), VALIDATION, on_step=lambda step, loss: losses.append(loss))
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])


def test_a_log_of_scores_is_kept(config: TrainConfig) -> None:
    train(config, GaussianNoise(), VALIDATION)
    header, *rows = (config.out / "log.csv").read_text().splitlines()
    assert header == "step,seconds,loss,sigma25"
    assert [row.split(",")[0] for row in rows] == ["3", "6"]


def test_an_existing_run_is_never_overwritten(config: TrainConfig) -> None:
    train(config, GaussianNoise(), VALIDATION)
    with pytest.raises(ConfigError, match="--resume"):
        train(config, GaussianNoise(), VALIDATION)


def test_a_damaged_state_is_one_clear_line(config: TrainConfig) -> None:
    train(config, GaussianNoise(), VALIDATION)
    last = config.out / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"last\.ckpt: cannot be resumed"):
        train(config, GaussianNoise(), VALIDATION, resume=True)


def test_another_networks_run_is_not_resumed(config: TrainConfig, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="no such file to resume"):
        train(config, GaussianNoise(), VALIDATION, resume=True)
    train(config, GaussianNoise(), VALIDATION)
    with pytest.raises(ConfigError, match="was made with batch 2, not 3"):
        train(replace(config, batch=3), GaussianNoise(), VALIDATION, resume=True)
    train(replace(config, iterations=8, lr=1e-4), GaussianNoise(), VALIDATION, resume=True)
    assert "resumed with lr 0.0001 instead of 0.001" in caplog.text


def test_gradient_checkpointing_changes_nothing_but_memory(config: TrainConfig) -> None:
    plain = run(replace(config, out=config.out / "a"))
    recomputed = run(replace(config, out=config.out / "b", gradient_checkpointing=True))
    assert all(torch.allclose(recomputed[key], tensor, atol=1e-6) for key, tensor in plain.items())


def test_impossible_settings_are_refused(config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match="batch"):
        replace(config, batch=0)
    with pytest.raises(ConfigError, match="precision"):
        replace(config, precision="fp8")


def test_the_learning_rate_rises_then_falls_to_its_floor() -> None:
    rates = [warmup_cosine(step, peak=1.0, floor=0.1, warmup=10, total=100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.1)


def test_charbonnier_is_l1_far_from_zero_and_smooth_at_it() -> None:
    assert charbonnier(torch.tensor([3.0]), torch.tensor([1.0])).item() == pytest.approx(2.0, abs=1e-6)
    same = torch.zeros(1, requires_grad=True)
    charbonnier(same, torch.zeros(1)).backward()
    assert same.grad is not None
    assert same.grad.item() == 0


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_and_take_a_step(name: str, config: TrainConfig) -> None:
    recipe = RECIPES[name]
    ours = recipe.config(data=config.data, val=config.val, out=config.out)
    short = replace(ours, patch=32, batch=1, iterations=1, every=1)
    assert train(short, recipe.DEGRADATION, recipe.VALIDATION).exists()
