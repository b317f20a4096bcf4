"""The small parts of the trainer: schedule, losses, watch, average, mixup, freezing and fine-tuning."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.checkpoints import load_network, save_network
from pellucid.errors import ConfigError
from pellucid.models import create_network
from pellucid.training import TrainConfig, train
from pellucid.training.average import WeightAverage
from pellucid.training.config import NetworkConfig, Stage
from pellucid.training.loss_watch import LossWatch
from pellucid.training.losses import LOSSES, charbonnier, weighted_sum
from pellucid.training.network import freeze, start_network
from pellucid.training.schedule import position, stage_ends, warmup_hold_cosine

from conftest import TINY_AST


def test_the_learning_rate_rises_holds_then_falls_to_its_floor() -> None:
    rates = [warmup_hold_cosine(i, peak=1.0, floor=0.1, warmup=10, hold=20, total=100) for i in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:31] == pytest.approx([1.0] * 22)
    assert all(later < earlier for earlier, later in pairwise(rates[30:]))
    assert rates[-1] == pytest.approx(0.1)


def test_samples_go_on_from_stage_to_stage(config: TrainConfig) -> None:
    stages = (Stage(patch=16, batch=4, iterations=3), Stage(patch=32, batch=2, iterations=3))
    staged = replace(config, stages=stages)
    assert [position(staged, step).seen for step in range(8)] == [0, 4, 8, 12, 14, 16, 18, 20]
    assert [position(staged, step).stage.patch for step in range(7)] == [16] * 3 + [32] * 4
    assert stage_ends(staged) == [3, 6]


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_least_at_the_target_and_differentiable_there(name: str) -> None:
    target = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    prediction = target.clone().requires_grad_()
    at_target = LOSSES[name](prediction, target)
    at_target.backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    near, far = (LOSSES[name](target + scale * noise, target) for scale in (0.05, 0.2))
    assert at_target < near < far


def test_charbonnier_is_l1_far_from_zero_and_smooth_at_it() -> None:
    assert charbonnier(torch.tensor([3.0]), torch.tensor([1.0])).item() == pytest.approx(2.0, abs=1e-6)
    assert charbonnier(torch.zeros(1), torch.zeros(1)).item() == pytest.approx(1e-3)


def test_the_psnr_loss_counts_decibels_of_each_image() -> None:
    target = torch.zeros(2, 3, 8, 8)
    strong, weak = torch.full_like(target, 0.4), torch.full_like(target, 0.4)
    weak[1], strong[1] = 0.1, 0.2
    six_decibels = 2 * math.log(2) / 2  # of the second image; the first counts the same as before
    assert (LOSSES["psnr"](strong, target) - LOSSES["psnr"](weak, target)).item() == pytest.approx(six_decibels, 1e-2)


def test_the_cauchy_loss_pulls_hardest_at_five_grey_levels() -> None:
    target = torch.zeros(1, 3, 8, 8)

    def pull(levels: float) -> float:
        """How much the loss falls for one more grey level of error mended."""
        error = torch.tensor(levels / 255, requires_grad=True)
        LOSSES["cauchy"](target + error, target).backward()
        assert error.grad is not None
        return error.grad.item()

    pulls = {levels: pull(levels) for levels in (0.5, 2.0, 5.0, 12.0, 60.0)}
    assert max(pulls, key=pulls.__getitem__) == 5.0
    assert pulls[60.0] < 0.2 * pulls[5.0]
    assert pulls[0.5] < 0.25 * pulls[5.0]


def test_the_edge_loss_sees_edges_alone() -> None:
    ramp = torch.arange(12.0).expand(1, 1, 12, 12) / 12
    assert LOSSES["edge"](ramp + 0.3, ramp).item() == pytest.approx(1e-3, rel=1e-3)
    assert LOSSES["l1"](ramp + 0.3, ramp).item() == pytest.approx(0.3)


def test_losses_are_weighed_and_added() -> None:
    a, b = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    both = weighted_sum({"l1": 1.0, "fft": 0.1})(a, b)
    assert both == pytest.approx(LOSSES["l1"](a, b).item() + 0.1 * LOSSES["fft"](a, b).item(), rel=1e-5)


def noisy(mean: float, count: int, seed: int = 0) -> list[float]:
    return (mean * np.random.default_rng(seed).uniform(0.4, 1.6, count)).tolist()


def test_the_watch_lets_an_ordinary_run_pass() -> None:
    watch = LossWatch()
    for step in range(3000):
        mean = 0.3 / (1 + step / 100) + 0.02
        assert watch.add(noisy(mean, 1, seed=step)) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_watch_sees_what_is_no_number_at_once(value: float) -> None:
    assert LossWatch().add([0.1, value]) == f"the loss became {value}"


def test_the_watch_sees_a_leap_within_ten_steps() -> None:
    watch = LossWatch()
    assert watch.add(noisy(0.02, 300)) is None
    assert "the loss leapt from 0.0" in str(watch.add(noisy(0.06, 10, seed=1)))


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_the_watch_bears_losses_that_scatter_by_factors(batch: int) -> None:
    losses = np.random.default_rng(0).lognormal(-3, 1.0, (30_000, batch)).mean(axis=1)
    watch = LossWatch()
    assert [watch.add([loss]) for loss in losses.tolist()] == [None] * len(losses)


def test_the_watch_forgets_when_patches_grow_and_remembers_when_resumed() -> None:
    watch, resumed = LossWatch(), LossWatch()
    watch.add(noisy(0.02, 305))
    resumed.load(watch.state())
    later = noisy(0.08, 5, seed=1)
    assert resumed.add(later) == watch.add(later) is not None
    watch.forget()
    assert watch.add(noisy(0.5, 100)) is None


def test_the_average_is_one_of_the_weights() -> None:
    network = nn.Linear(2, 1, bias=False)
    average = WeightAverage(network)
    before = network.weight.detach().clone()
    with torch.no_grad():
        network.weight.add_(1)
    average.update(network, decay=0.9)
    torch.testing.assert_close(average.full()["weight"], before + 0.1)
    assert torch.equal(network.weight, before + 1)


def test_frozen_parameters_stay_and_others_learn(config: TrainConfig) -> None:
    frozen = replace(config, network=replace(config.network, freeze=("encoder", "embed.*")))
    after = load_network(train(frozen)).state_dict()
    before = start_network(frozen, (3, 3)).state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"encoder", "embed"}.isdisjoint(moved)
    assert {"bottleneck", "decoder", "output"} <= moved


def test_what_freezes_nothing_names_the_nearest() -> None:
    network = create_network("ast-t", **TINY_AST)
    with pytest.raises(ConfigError, match=r"nothing is called 'encodr'\. Did you mean 'encoder'\?"):
        freeze(network, ["encodr"])
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        freeze(network, ["*"])


def test_fine_tuning_starts_from_a_checkpoint(config: TrainConfig, tmp_path: Path, tiny_ast: nn.Module) -> None:
    path = tmp_path / "tiny.safetensors"
    save_network(tiny_ast, path, task="denoise", licence="CC0-1.0")
    for network in (NetworkConfig(name=None, init=path), NetworkConfig(name="ast-t", overrides=TINY_AST, init=path)):
        started = start_network(replace(config, network=network), (3, 3))
        assert started.training
        assert all(torch.equal(started.state_dict()[key], value) for key, value in tiny_ast.state_dict().items())
    with pytest.raises(ConfigError, match=r"tiny.safetensors: its weights do not fit ast-t; with network.name=null"):
        start_network(replace(config, network=NetworkConfig(name="ast-t", init=path)), (3, 3))


def test_a_network_for_other_channels_is_refused(config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match="takes and gives 3 and 3 channels, the data has 6 and 3"):
        start_network(config, (6, 3))
