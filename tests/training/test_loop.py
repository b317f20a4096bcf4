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
from pellucid.errors import CheckpointError, ConfigError
from pellucid.training import StepReport, TrainConfig, train
from pellucid.training.config import NetworkConfig, OptimizerConfig, Stage
from pellucid.training.losses import LOSSES
from pellucid.training.parse import write_config


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


@pytest.mark.parametrize("killed_at", [2, 3, 4, 5])
def test_a_run_that_was_killed_ends_with_the_same_weights(config: TrainConfig, killed_at: int) -> None:
    undisturbed = weights(train(replace(config, out=config.out / "a")))
    disturbed = replace(config, out=config.out / "b", every=2)
    with pytest.raises(Killed):
        train(disturbed, on_step=at(killed_at, die))
    resumed = weights(train(disturbed, resume=(disturbed.out / "last.ckpt").exists()))
    assert same(resumed, undisturbed)


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
    with pytest.raises(KeyboardInterrupt):
        train(config, on_step=at(2, lambda: os.kill(os.getpid(), number)))
    reached: list[int] = []
    resumed = train(config, resume=True, on_step=lambda report: reached.append(report.step))
    assert reached == [3, 4, 5, 6]
    assert same(weights(resumed), undisturbed)
    assert signal.getsignal(number) != signal.SIG_IGN


def test_the_result_says_what_it_is(config: TrainConfig) -> None:
    checkpoint = open_checkpoint(train(replace(config, licence="CC0-1.0")))
    assert checkpoint.family.name == "ast"
    assert checkpoint.config.embed_dim == config.network.overrides["embed_dim"]
    assert checkpoint.metadata["task"] == "denoise"
    assert checkpoint.metadata["iterations"] == "6"
    assert checkpoint.metadata["licence"] == "CC0-1.0"


def test_training_lowers_the_loss(config: TrainConfig) -> None:
    losses: list[float] = []
    optimizer = OptimizerConfig(lr=3e-3, warmup=4)
    longer = replace(config, stages=(Stage(patch=16, batch=4, iterations=60),), every=60, optimizer=optimizer)
    train(longer, on_step=lambda report: losses.append(report.loss))
    assert losses[-1] < 0.9 * losses[10]


@pytest.mark.parametrize("change", [{"loss": {name: 1.0}} for name in LOSSES] + [{"mixup": 1.2}, {"compile": False}])
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
    assert header == "step,seconds,loss,psnr_sigma25,ssim_sigma25"
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
    with pytest.raises(ConfigError, match="--resume"):
        train(config)


def test_a_damaged_state_is_one_clear_line(config: TrainConfig) -> None:
    train(config)
    last = config.out / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"last\.ckpt: cannot be resumed") as error:
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


def poison(monkeypatch: pytest.MonkeyPatch, *, steps: set[int], value: float) -> list[int]:
    """Make the loss of these steps be multiplied; each of these happens once for each time the step is taken."""
    from pellucid.training.run import Run

    advance, taken = Run.advance, []

    def poisoned(self: Run) -> None:
        advance(self)
        taken.append(self.step)
        if self.step in steps:
            self._uninspected[-1] = self._uninspected[-1] * value

    monkeypatch.setattr(Run, "advance", poisoned)
    return taken


def test_a_loss_that_is_no_number_goes_back_once_at_half_the_rate(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned = {5}
    taken = poison(monkeypatch, steps=poisoned, value=float("nan"))
    train(config, on_step=lambda report: poisoned.discard(4 if report.step < 6 else 5))
    assert taken == [1, 2, 3, 4, 5, 6, 4, 5, 6]
    assert "the loss became nan by step 6: back to step 3 with half the learning rate" in caplog.text


def test_before_the_first_checkpoint_it_goes_back_to_the_start(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = replace(config, out=config.out / "a", optimizer=replace(config.optimizer, lr=5e-4, min_lr=5e-7))
    poisoned = {2}
    taken = poison(monkeypatch, steps=poisoned, value=float("inf"))
    result = weights(
        train(replace(config, out=config.out / "b"), on_step=lambda r: poisoned.clear() if r.step == 3 else None)
    )
    assert taken == [1, 2, 3, 1, 2, 3, 4, 5, 6]
    assert same(result, weights(train(undisturbed)))


def test_a_loss_that_keeps_failing_ends_the_run_and_keeps_its_checkpoint(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, steps={5}, value=float("nan"))
    with pytest.raises(ConfigError, match=r"the loss became nan by step 6.*last\.ckpt holds the last good state"):
        train(replace(config, rollbacks=2))
    assert torch.load(config.out / "last.ckpt", weights_only=True)["step"] == 3


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
