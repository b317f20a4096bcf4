"""A whole run of the trainer: that it learns, stops, goes on as if it had not stopped, and refuses what cannot work.

More than 300 lines: runs of one little configuration, made here, are stopped and gone on with in many ways.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pellucid.checkpoints import load_network, open_checkpoint
from pellucid.data import SyntheticPairs
from pellucid.errors import CheckpointError, ConfigError, ImageError, TrainingError
from pellucid.training import StepReport, TrainConfig, train
from pellucid.training.config import DataConfig, NetworkConfig, OptimizerConfig, Stage
from pellucid.training.losses import LOSSES
from pellucid.training.parse import write_config
from pellucid.training.run import Run

from conftest import left_behind, textured


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_network(path).state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class Killed(Exception):
    pass


def at(step: int, act: Callable[[], object]) -> Callable[[StepReport], None]:
    def on_step(report: StepReport) -> None:
        if report.step == step:
            act()

    return on_step


def die() -> None:
    raise Killed


def paired(config: TrainConfig) -> TrainConfig:
    """The same run on pairs instead of clean photographs."""
    for i in range(3):
        textured(config.out.parent / "pairs" / "input" / f"{i}.png", seed=i)
        textured(config.out.parent / "pairs" / "target" / f"{i}.png", seed=i + 5)
    pairs = config.out.parent / "pairs"
    return replace(config, data=DataConfig(train=pairs, val=pairs))


@pytest.mark.parametrize("killed_at", [2, 3, 4, 5])
def test_a_run_that_was_killed_ends_with_the_same_weights(config: TrainConfig, killed_at: int) -> None:
    undisturbed = weights(train(replace(config, out=config.out / "a")))
    disturbed = replace(config, out=config.out / "b", every=2)
    with pytest.raises(Killed):
        train(disturbed, on_step=at(killed_at, die))
    resumed = weights(train(disturbed, resume=(disturbed.out / "last.ckpt").exists()))
    assert same(resumed, undisturbed)


@pytest.mark.parametrize("change", ["mixup", "paired", "frozen", "detection"])
def test_so_does_one_with_mixup_pairs_frozen_parts_or_detection(config: TrainConfig, change: str) -> None:
    changed = {
        "mixup": replace(config, mixup=1.2),
        "paired": paired(config),
        "frozen": replace(config, network=replace(config.network, freeze=("encoder",))),
        "detection": replace(config, detection=0.5),
    }[change]
    undisturbed = weights(train(replace(changed, out=config.out / "a")))
    disturbed = replace(changed, out=config.out / "b")
    with pytest.raises(Killed):
        train(disturbed, on_step=at(5, die))
    assert same(weights(train(disturbed, resume=True)), undisturbed)


def test_kill_9_at_any_moment_costs_nothing_but_time(config: TrainConfig) -> None:
    longer = replace(config, stages=(Stage(patch=16, batch=4, iterations=60),), every=5)
    undisturbed = weights(train(replace(longer, out=config.out / "a")))
    disturbed = replace(longer, out=config.out / "b")
    write_config(disturbed, config.data.train.parent / "run.yaml")
    command = [sys.executable, "-m", "pellucid", "train", str(config.data.train.parent / "run.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (disturbed.out / "last.ckpt").exists():
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert same(weights(train(disturbed, resume=True)), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_saved_and_goes_on(config: TrainConfig, number: signal.Signals) -> None:
    undisturbed = weights(train(replace(config, out=config.out / "a")))
    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        train(config, on_step=at(2, lambda: os.kill(os.getpid(), number)))
    reached: list[int] = []
    resumed = train(config, resume=True, on_step=lambda report: reached.append(report.step))
    assert reached == [3, 4, 5, 6]
    assert same(weights(resumed), undisturbed)
    assert signal.getsignal(number) == handler


def test_the_result_says_what_it_is(config: TrainConfig) -> None:
    checkpoint = open_checkpoint(train(replace(config, licence="CC0-1.0")))
    assert checkpoint.family.name == "ast"
    assert checkpoint.config.embed_dim == config.network.overrides["embed_dim"]
    assert checkpoint.metadata["task"] == "denoise"
    assert checkpoint.metadata["iterations"] == "6"
    assert checkpoint.metadata["licence"] == "CC0-1.0"


def test_weights_trained_on_shrunk_photos_say_so(config: TrainConfig) -> None:
    weights = train(replace(config, data=replace(config.data, longest=40)))
    assert load_network(weights).working_side == 40


def test_what_learns_to_detect_is_trained_otherwise(config: TrainConfig) -> None:
    without = weights(train(replace(config, out=config.out / "a")))
    with_it = weights(train(replace(config, out=config.out / "b", detection=0.5)))
    assert with_it.keys() == without.keys()
    assert not same(with_it, without)


def test_training_lowers_the_loss(config: TrainConfig) -> None:
    losses: list[float] = []
    optimizer = OptimizerConfig(lr=3e-3, warmup=4)
    longer = replace(config, stages=(Stage(patch=16, batch=4, iterations=60),), every=60, optimizer=optimizer)
    train(longer, on_step=lambda report: losses.append(report.loss))
    assert losses[-1] < 0.9 * losses[10]


@pytest.mark.parametrize("change", [{"loss": {name: 1.0}} for name in LOSSES] + [{"mixup": 1.2}])
def test_every_loss_and_mixup_train(config: TrainConfig, change: dict[str, object]) -> None:
    before = weights(train(replace(config, out=config.out / "a", stages=(Stage(patch=16, batch=2, iterations=1),))))
    after = weights(train(replace(config, out=config.out / "b", **change)))
    assert not same(before, after)
    assert all(tensor.isfinite().all() for tensor in after.values())


def test_accumulated_micro_batches_are_one_batch(config: TrainConfig) -> None:
    calm = replace(config, network=NetworkConfig(name="ast-t", overrides=config.network.overrides | {"drop_path": 0.0}))
    whole = weights(train(replace(calm, out=config.out / "a", stages=(Stage(patch=16, batch=4, iterations=3),))))
    parts = (Stage(patch=16, batch=4, iterations=3, accumulate=4),)
    accumulated = weights(train(replace(calm, out=config.out / "b", stages=parts)))
    assert all(torch.allclose(accumulated[key], tensor, atol=1e-5) for key, tensor in whole.items())


def test_gradient_checkpointing_changes_nothing_but_memory(config: TrainConfig) -> None:
    plain = weights(train(replace(config, out=config.out / "a")))
    recomputed = weights(train(replace(config, out=config.out / "b", gradient_checkpointing=True)))
    assert all(torch.allclose(recomputed[key], tensor, atol=1e-6) for key, tensor in plain.items())


def test_scores_are_logged_and_the_best_is_kept(config: TrainConfig) -> None:
    train(replace(config, every=2))
    header, *rows = (config.out / "log.csv").read_text().splitlines()
    assert header == "step,seconds,loss,psnr_sigma25,ssim_sigma25,input_sigma25"
    assert [row.split(",")[0] for row in rows] == ["2", "4", "6"]
    scores = [float(row.split(",")[3]) for row in rows]
    best = open_checkpoint(config.out / "best.safetensors").metadata["iterations"]
    assert best == rows[int(np.argmax(scores))].split(",")[0]
    assert any((config.out / "tensorboard").iterdir())


def test_without_validation_there_is_no_best(config: TrainConfig) -> None:
    assert train(replace(config, data=replace(config.data, val=None))).exists()
    assert not (config.out / "best.safetensors").exists()


def test_a_killed_runs_later_rows_are_forgotten(config: TrainConfig) -> None:
    train(replace(config, every=3))
    last = (config.out / "last.ckpt").read_bytes()
    train(replace(config, every=3, stages=(*config.stages, Stage(patch=16, batch=2, iterations=3))), resume=True)
    (config.out / "last.ckpt").write_bytes(last)
    train(replace(config, every=3, stages=(*config.stages, Stage(patch=16, batch=2, iterations=3))), resume=True)
    rows = (config.out / "log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["3", "6", "9"]


def test_an_existing_run_is_never_overwritten(config: TrainConfig) -> None:
    train(config)
    with pytest.raises(ConfigError, match="resume=True"):
        train(config)


def test_a_damaged_state_is_one_clear_line(config: TrainConfig) -> None:
    train(config)
    last = config.out / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"last\.ckpt: is damaged") as error:
        train(config, resume=True)
    assert "\n" not in str(error.value)


def test_another_networks_run_is_not_resumed(config: TrainConfig, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="no such file to resume"):
        train(config, resume=True)
    train(config)
    with pytest.raises(ConfigError, match="was made with seed 0, not 1"):
        train(replace(config, seed=1), resume=True)
    train(replace(config, optimizer=replace(config.optimizer, lr=1e-4)), resume=True)
    assert "resumed with optimizer.lr 0.0001 instead of 0.001" in caplog.text


def poison(monkeypatch: pytest.MonkeyPatch, *, value: float, steps: list[int]) -> list[int]:
    """Multiply the loss of a step the first time that it is taken, for each time it is listed; returns steps taken."""
    advance, taken = Run.advance, []

    def poisoned(self: Run) -> None:
        advance(self)
        taken.append(self.step)
        if self.step in steps:
            steps.remove(self.step)
            self._uninspected[-1] = self._uninspected[-1] * value

    monkeypatch.setattr(Run, "advance", poisoned)
    return taken


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_goes_back_at_half_the_rate(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: float
) -> None:
    taken = poison(monkeypatch, value=value, steps=[5])
    train(config)
    assert taken == [1, 2, 3, 4, 5, 6, 4, 5, 6]
    assert f"the loss became {value} by step 6: back to step 3 with half the learning rate" in caplog.text


def test_a_leap_goes_back_to_samples_not_yet_seen(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    long = replace(config, stages=(Stage(patch=16, batch=2, iterations=260),), every=230)
    seen: list[range] = []
    batch = SyntheticPairs.batch

    def recorded(self: SyntheticPairs, indices: range, patch: int) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(indices)
        return batch(self, indices, patch)

    monkeypatch.setattr(SyntheticPairs, "batch", recorded)
    taken = poison(monkeypatch, value=30.0, steps=list(range(241, 251)))
    train(long)
    assert taken == [*range(1, 251), *range(231, 261)]
    assert [indices.start for indices in seen] == list(range(0, 2 * len(taken), 2))


def test_a_run_killed_after_going_back_ends_with_the_same_weights(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [2, 5]
    poison(monkeypatch, value=float("nan"), steps=steps)
    undisturbed = weights(train(replace(config, out=config.out / "a")))
    disturbed = replace(config, out=config.out / "b")
    steps += [2, 5]
    went_back: list[int] = []

    def kill(report: StepReport) -> None:
        went_back.append(report.step)
        if went_back[-2:] == [6, 4]:
            raise Killed

    with pytest.raises(Killed):
        train(disturbed, on_step=kill)
    steps += [5]
    assert same(weights(train(disturbed, resume=True)), undisturbed)


def test_before_the_first_checkpoint_it_goes_back_to_the_start(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = poison(monkeypatch, value=float("nan"), steps=[2])
    assert train(config).exists()
    assert taken == [1, 2, 3, 1, 2, 3, 4, 5, 6]


def test_a_loss_that_keeps_failing_ends_the_run_and_keeps_its_checkpoint(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, value=float("nan"), steps=[5, 5, 5])
    with pytest.raises(TrainingError, match=r"the loss became nan by step 6, after 2 .*last\.ckpt is from before"):
        train(replace(config, rollbacks=2))
    assert torch.load(config.out / "last.ckpt", weights_only=True)["step"] == 3


def test_going_back_elsewhere_is_counted_anew(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = poison(monkeypatch, value=float("nan"), steps=[2, 5])
    train(replace(config, rollbacks=1))
    assert taken == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]


def test_what_may_change_on_resuming_does(config: TrainConfig) -> None:
    train(replace(config, stages=config.stages[:1]))
    optimizer = replace(config.optimizer, weight_decay=0.5, betas=(0.5, 0.6))
    train(replace(config, optimizer=optimizer), resume=True)
    state = torch.load(config.out / "last.ckpt", weights_only=True)["optimizer"]
    (group,) = state["param_groups"]
    assert (group["weight_decay"], tuple(group["betas"])) == (0.5, (0.5, 0.6))


@pytest.mark.parametrize("name", ["config.yaml", "model.safetensors", "best.safetensors", "log.csv"])
def test_no_file_of_the_users_is_overwritten(config: TrainConfig, name: str) -> None:
    config.out.mkdir()
    (config.out / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"{name} exists, and would be overwritten"):
        train(config)
    assert (config.out / name).read_text() == "mine"
    assert [path.name for path in config.out.iterdir()] == [name]


def test_a_run_killed_before_its_first_checkpoint_is_begun_again(config: TrainConfig) -> None:
    with pytest.raises(Killed):
        train(config, on_step=at(1, die))
    abandoned = left_behind(config.out, ".ckpt")
    assert train(config).exists()
    assert not abandoned.exists()


def test_a_damaged_photo_is_named_and_costs_no_step(config: TrainConfig) -> None:
    broken = textured(config.data.train / "a.png", size=(40, 30), seed=3)  # small: the first crops are of the other
    broken.write_bytes(broken.read_bytes()[:-300])
    taken: list[int] = []
    calm = replace(config, stages=(Stage(patch=16, batch=1, iterations=100),), every=100)
    with pytest.raises(ImageError, match=r"a\.png"):
        train(calm, on_step=lambda report: taken.append(report.step))
    assert torch.load(config.out / "last.ckpt", weights_only=True)["step"] == taken[-1] > 0


@pytest.mark.parametrize("size", [(96, 64), (8, 8)])
def test_a_validation_pair_that_cannot_be_scored_is_found_at_once(config: TrainConfig, size: tuple[int, int]) -> None:
    pairs = paired(config)
    textured(config.out.parent / "pairs" / "target" / "1.png", size=size)
    textured(config.out.parent / "train" / "input" / "0.png")
    textured(config.out.parent / "train" / "target" / "0.png")
    with pytest.raises(ConfigError, match=r"different sizes|too small to score"):
        train(replace(pairs, data=replace(pairs.data, train=config.out.parent / "train", val_crop=32)))


def test_a_full_disk_costs_no_checkpoint(config: TrainConfig) -> None:
    short = replace(config, stages=config.stages[:1])
    last = train(short).with_name("last.ckpt")
    good = last.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 2, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot be written") as error:
            train(config, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(error.value)
    assert last.read_bytes() == good
    assert not [path for path in config.out.iterdir() if path.name.startswith(".")]


def test_folders_that_cannot_be_used_are_one_clear_line(config: TrainConfig) -> None:
    def with_train(folder: Path) -> TrainConfig:
        return replace(config, data=replace(config.data, train=folder))

    with pytest.raises(ConfigError, match="no such folder"):
        train(with_train(config.out / "missing"))
    with pytest.raises(ConfigError, match=r"96x80 is smaller than a patch of 128"):
        train(replace(config, stages=(Stage(patch=128, batch=1, iterations=1),)))
    (config.out.parent / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made a folder"):
        train(replace(config, out=config.out.parent / "file" / "run"))
