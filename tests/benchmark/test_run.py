import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from pellucid.benchmark.record import Score
from pellucid.benchmark.registry import GAUSSIAN, PAIRS, find_benchmark
from pellucid.benchmark.run import Result, Subject, Trial
from pellucid.benchmark.samples import add_test_noise
from pellucid.inference import Restorer
from pellucid.metrics import psnr, ssim

from conftest import Identity, deep, textured


@pytest.fixture
def clean(tmp_path: Path) -> list[NDArray[np.uint8]]:
    """Three pictures in ``clean/``, and what they hold."""
    pictures = [np.random.default_rng(seed).integers(60, 196, (40, 48, 3), np.uint8) for seed in range(3)]
    (tmp_path / "clean").mkdir()
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / "clean" / f"{index}.png")
    return pictures


@pytest.fixture
def trial(tmp_path: Path, clean: list[NDArray[np.uint8]]) -> Trial:
    subject = Subject(name="identity", restorer=Restorer(Identity(), tile="off", device="cpu"))
    return Trial(subject=subject, benchmark=GAUSSIAN, folder=tmp_path / "clean", sigma=15, out=tmp_path / "out")


def calls(trial: Trial) -> int:
    network = trial.subject.restorer.network
    assert isinstance(network, Identity)
    return len(network.seen)


def test_the_identity_scores_what_the_noise_does(trial: Trial, clean: list[NDArray[np.uint8]]) -> None:
    result = Result(trial=trial, scores=list(trial.scores()))
    assert result.psnr == result.input_psnr == pytest.approx(20 * np.log10(255 / 15), abs=0.2)
    noisy = [np.rint(add_test_noise(p, 15).clip(0, 1) * 255).astype(np.uint8) for p in clean]
    pairs = list(zip(noisy, clean, strict=True))
    assert result.input_psnr == pytest.approx(np.mean([psnr(n, p) for n, p in pairs]))
    assert result.input_ssim == pytest.approx(np.mean([ssim(n, p) for n, p in pairs]))
    assert result.seconds_per_megapixel > 0
    assert result.peak_bytes > 50e6


def test_an_interrupted_run_goes_on_and_a_finished_one_computes_nothing(trial: Trial) -> None:
    scores = trial.scores()
    first = next(scores)
    scores.close()
    again = list(trial.scores())
    assert calls(trial) == 3
    assert again[0] == first
    assert list(trial.scores()) == again
    assert calls(trial) == 3


def test_half_a_line_is_computed_again(trial: Trial) -> None:
    before = list(trial.scores())
    (file,) = trial.out.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    after = list(trial.scores())
    assert calls(trial) == 4
    assert [score.psnr for score in after] == [score.psnr for score in before]
    list(trial.scores())
    assert calls(trial) == 4


def test_the_file_says_what_was_run(trial: Trial) -> None:
    list(trial.scores())
    (file,) = trial.out.iterdir()
    settings, *scores = [json.loads(line) for line in file.read_text().splitlines()]
    assert settings["settings"]["model"] == trial.subject.digest
    assert settings["settings"]["sigma"] == 15
    assert [score["image"] for score in scores] == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("change", ["picture", "noise", "ensemble", "precision", "protocol"])
def test_another_picture_or_setting_is_computed(trial: Trial, clean: list[NDArray[np.uint8]], change: str) -> None:
    list(trial.scores())
    subject = trial.subject
    passes = 3
    if change == "picture":
        Image.fromarray(clean[0][::-1]).save(trial.folder / "0.png")
        passes = 1
    elif change == "noise":
        trial = replace(trial, sigma=15.5)
    elif change == "ensemble":
        trial = replace(trial, subject=replace(subject, self_ensemble=True))
        passes = 3 * 8
    elif change == "precision":
        other = Restorer(subject.restorer.network, subject.restorer.options, precision="bf16")
        trial = replace(trial, subject=replace(subject, restorer=other))
    else:
        trial = replace(trial, protocol="matlab-y")
    list(trial.scores())
    assert calls(trial) == 3 + passes


def test_a_model_is_known_by_its_weights(tiny_ast: nn.Module) -> None:
    subject = Subject(name="a", restorer=Restorer(tiny_ast, device="cpu"))
    same = Subject(name="b", restorer=Restorer(tiny_ast, device="cpu"))
    assert subject.digest == same.digest
    assert subject.parameters == sum(p.numel() for p in tiny_ast.parameters())
    assert 0 < subject.gmacs == replace(subject, self_ensemble=True).gmacs / 8
    other = deepcopy(tiny_ast)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    assert Subject(name="a", restorer=Restorer(other, device="cpu")).digest != subject.digest


def test_tiles_are_the_papers_unless_told_otherwise(trial: Trial) -> None:
    raindrops = find_benchmark("agan-a")
    theirs = trial.subject.restorer_for(raindrops)
    assert (theirs.options.tile, theirs.options.overlap) == (384, 80)
    assert replace(trial.subject, paper_tiles=False).restorer_for(raindrops).options.tile == "off"
    assert trial.subject.restorer_for(GAUSSIAN) is trial.subject.restorer


def test_pairs_are_scored_under_the_protocol_and_at_their_depth(tmp_path: Path, trial: Trial) -> None:
    deep(tmp_path / "pairs" / "input" / "0.png", (32, 24), seed=0)
    deep(tmp_path / "pairs" / "target" / "0.png", (32, 24), seed=1)
    trial = replace(trial, benchmark=PAIRS, folder=tmp_path / "pairs", sigma=None, protocol="skimage-rgb")
    (score,) = trial.scores()
    given, target = trial.samples[0].load()
    assert score.psnr == score.input_psnr == pytest.approx(psnr(given, target, "skimage-rgb"))


def test_dual_pixels_go_in_together_and_the_left_view_is_the_input(tmp_path: Path, trial: Trial) -> None:
    for seed, side in enumerate(("inputL", "inputR", "target")):
        textured(tmp_path / "dual" / side / "0.png", (32, 24), seed=seed)
    subject = Subject(name="left", restorer=Restorer(Left(), tile="off", device="cpu"))
    dual = replace(find_benchmark("dpdd-dual"), count=1)
    (score,) = replace(trial, subject=subject, benchmark=dual, folder=tmp_path / "dual", sigma=None).scores()
    assert score.psnr == score.input_psnr


class Left(Identity):
    """Gives the left view of a dual-pixel pair back."""

    def __init__(self) -> None:
        super().__init__(6)
        self.config = replace(self.config, out_channels=3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :3].clone()


def test_no_ssim_where_ours_is_not_theirs(tmp_path: Path, trial: Trial) -> None:
    trial = replace(trial, benchmark=replace(GAUSSIAN, ssim=False))
    result = Result(trial=trial, scores=list(trial.scores()))
    assert result.ssim is result.input_ssim is None


def test_means(trial: Trial) -> None:
    score = Score(
        image="0",
        digest="",
        input_psnr=20,
        input_ssim=0.5,
        psnr=30,
        ssim=0.8,
        pixels=500_000,
        seconds=1,
        peak_bytes=5,
    )
    other = replace(score, psnr=32.0, ssim=0.9, seconds=3.0, peak_bytes=9)
    result = Result(trial=trial, scores=[score, other])
    assert (result.psnr, result.input_psnr, result.ssim) == (31, 20, pytest.approx(0.85))
    assert (result.seconds_per_megapixel, result.peak_bytes) == (4, 9)
