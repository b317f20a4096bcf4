"""Several processes on one machine, by torchrun and gloo, as a user would start them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pellucid.checkpoints import load_network
from pellucid.training import StepReport, TrainConfig, train
from pellucid.training.config import NetworkConfig, OptimizerConfig, Stage
from pellucid.training.parse import write_config

from conftest import TINY_AST, textured


@pytest.fixture
def calm(config: TrainConfig) -> TrainConfig:
    """Twenty steps without stochastic depth, whose draws belong to a process."""
    return replace(
        config,
        network=NetworkConfig(name="ast-t", overrides=TINY_AST | {"drop_path": 0.0}),
        stages=(Stage(patch=16, batch=4, iterations=10), Stage(patch=16, batch=8, iterations=10, accumulate=2)),
        optimizer=OptimizerConfig(lr=1e-4, warmup=2, clip_norm=1.0),
        every=10,
    )


def torchrun(config: TrainConfig, *options: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    config_file = config.out.with_suffix(".yaml")
    write_config(config, config_file)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [*command, "-m", "pellucid", "train", str(config_file), *options],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def largest_difference(first: Path, second: Path) -> float:
    a, b = (load_network(path).state_dict() for path in (first, second))
    return max((a[key] - b[key]).abs().max().item() for key in a)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_on_half_the_batch_each_are_one(calm: TrainConfig, strategy: str) -> None:
    alone = train(replace(calm, out=calm.out / "one"))
    together = replace(calm, out=calm.out / "two", strategy=strategy)
    result = torchrun(together)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.split() == [str(together.out / "model.safetensors")]  # said once
    assert largest_difference(alone, together.out / "model.safetensors") < 1e-5
    one, two = ((out / "log.csv").read_text().splitlines() for out in (alone.parent, together.out))
    assert len(one) == len(two) == 3
    for row_of_one, row_of_two in zip(one[1:], two[1:], strict=True):  # validated by both, to the same scores
        expected = [float(value) for value in row_of_one.split(",")[2:]]
        assert [float(value) for value in row_of_two.split(",")[2:]] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_goes_on_with_another_number_of_processes(calm: TrainConfig, strategy: str) -> None:
    alone = train(replace(calm, out=calm.out / "one"))
    together = replace(calm, out=calm.out / "two", strategy=strategy)
    # the state after ten of twenty steps, by one process; two go on from it, and then one again
    with pytest.raises(KeyboardInterrupt):
        train(replace(together, strategy="auto"), on_step=interrupt_at(10))
    assert torch.load(together.out / "last.ckpt", weights_only=True)["step"] == 10
    result = torchrun(together, "--resume")
    assert result.returncode == 0, result.stderr[-2000:]
    assert largest_difference(alone, together.out / "model.safetensors") < 1e-5
    again = torchrun(together, "--resume")  # a run that has ended
    assert again.stdout.split() == [str(together.out / "model.safetensors")]


def interrupt_at(step: int) -> Callable[[StepReport], None]:
    def on_step(report: StepReport) -> None:
        if report.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return on_step


def test_mixup_is_the_same_for_two_processes(calm: TrainConfig) -> None:
    mixed = replace(calm, mixup=1.2, data=replace(calm.data, val=None))
    alone = train(replace(mixed, out=calm.out / "one"))
    together = replace(mixed, out=calm.out / "two")
    assert torchrun(together).returncode == 0
    assert largest_difference(alone, together.out / "model.safetensors") < 1e-5


def test_a_damaged_photo_ends_all_processes_in_clear_lines(calm: TrainConfig) -> None:
    broken = textured(calm.data.train / "z.png", size=(400, 400), seed=3)
    broken.write_bytes(broken.read_bytes()[:-3000])
    result = torchrun(calm)
    assert result.returncode != 0
    assert "z.png" in result.stderr
    assert "site-packages/typer" not in result.stderr  # no traceback of ours


def test_a_batch_that_cannot_be_split_is_one_clear_line(calm: TrainConfig) -> None:
    result = torchrun(replace(calm, stages=(Stage(patch=16, batch=3, iterations=2),)))
    assert result.returncode != 0
    assert "stages.0: a batch of 3 cannot be split over 2 processes" in result.stderr
