import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.benchmark.registry import GAUSSIAN, PAIRS, find_benchmark
from pellucid.benchmark.samples import Sample, add_test_noise, find_samples, parse_target
from pellucid.degrade.haze import Haze
from pellucid.errors import ConfigError, ImageError

from conftest import deep, picture, textured


def test_noise_is_the_literatures() -> None:
    clean = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    np.random.seed(seed=0)  # noqa: NPY002, the literature's own spelling
    expected = np.float32(clean / 255.0) + np.random.normal(0, 25 / 255.0, clean.shape)  # noqa: NPY002
    np.testing.assert_allclose(add_test_noise(clean, 25), expected, atol=1e-6)


@pytest.mark.parametrize(
    "id", ["made-rain", "made-raindrop", "made-haze", "made-motion", "made-camera", "made-rain-raindrop", "unseen-rain"]
)
def test_degradations_are_each_pictures_own_and_always_the_same(tmp_path: Path, id: str) -> None:
    for number in range(2):
        textured(tmp_path / f"{number}.png", (56, 40), seed=7)
    first, second = find_samples(find_benchmark(id), tmp_path)
    given, target = first.load()
    assert given.dtype == target.dtype == np.uint8
    assert given.shape == target.shape == (40, 56, 3)
    assert (given != target).any()
    np.testing.assert_array_equal(given, first.load()[0])
    np.testing.assert_array_equal(target, second.load()[1])
    assert (given != second.load()[0]).any()  # the same picture, by another draw


def test_what_a_word_on_the_command_line_means(tmp_path: Path) -> None:
    for folder in ("CBSD68", "mine", "a=b"):
        picture(tmp_path / folder / "0.png")
    for side in ("input", "target"):
        picture(tmp_path / "pairs" / side / "0.png")
    assert parse_target(str(tmp_path / "CBSD68"))[0] is find_benchmark("cbsd68")
    assert parse_target(f"mcmaster={tmp_path / 'CBSD68'}") == (find_benchmark("mcmaster"), tmp_path / "CBSD68")
    assert parse_target(str(tmp_path / "mine"))[0] is GAUSSIAN
    assert parse_target(str(tmp_path / "a=b"))[0] is GAUSSIAN
    assert parse_target(str(tmp_path / "pairs"))[0] is PAIRS


@pytest.mark.parametrize(
    ("files", "target", "message"),
    [
        (["x/0.png"], "missing", "missing: no such folder"),
        (["x/0.png"], "set13={}/x", "Unknown benchmark 'set13'. Did you mean 'set12'?"),
        (["x/notes.txt"], "{}/x", "x: no picture in it"),
        (["x/0.png"], "set12={}/x", "x: holds 1 pictures, set12 has 12; to test these alone: gaussian="),
        (["x/0.png"] * 2, "rain12={}/x", "holds no pairs"),
        (
            ["x/input/0.png", "x/target/0.png"],
            "rain12={}/x",
            "holds 1 pairs, rain12 has 12; to test these alone: pairs=",
        ),
        (["x/input/0.png", "x/target/1.png"], "{}/x", "1 input has no target (0.png) and 1 target no input (1.png)"),
        (["x/one/0.png", "x/two/0.png"], "{}/x", "or test it as clean pictures: gaussian="),
    ],
)
def test_bad_folders_are_refused_in_one_line(tmp_path: Path, files: list[str], target: str, message: str) -> None:
    for name in files:
        if name.endswith(".png"):
            picture(tmp_path / name)
        else:
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        find_samples(*parse_target(target.format(tmp_path)), sigma=25)
    assert "\n" not in str(error.value)


def test_sizes_that_differ_are_refused_before_anything_runs(tmp_path: Path) -> None:
    textured(tmp_path / "input" / "0.png", (40, 32))
    textured(tmp_path / "target" / "0.png", (41, 32))
    with pytest.raises(ConfigError, match=re.escape("0.png: is 40x32, but its target 0.png 41x32")):
        find_samples(PAIRS, tmp_path)


def test_full_kodak_pictures_are_not_taken_for_the_crops(tmp_path: Path) -> None:
    for number in range(24):
        Image.new("RGB", (512, 768)).save(tmp_path / f"{number}.png")
    with pytest.raises(ConfigError, match=re.escape("is 512x768, but those of kodak24 are 500x500")):
        find_samples(find_benchmark("kodak24"), tmp_path, 25)
    assert len(find_samples(find_benchmark("kodak24-full"), tmp_path, 25)) == 24


def test_grey_benchmarks_are_grey_and_coloured_ones_coloured(tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / f"{number:02}.png", number)  # three equal channels
    first, *_ = find_samples(find_benchmark("set12"), tmp_path, 25)
    given, target = first.load()
    assert (given.shape, target.shape, given.dtype) == ((12, 16, 1), (12, 16, 1), np.float32)
    textured(tmp_path / "00.png", (16, 12))
    with pytest.raises(ImageError, match="in colour"):
        first.load()
    Image.new("L", (16, 12)).save(tmp_path / "00.png")
    for side in ("input", "target"):
        for number in range(12):
            path = tmp_path / "rain12" / side / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 12)).save(path)
    given, target = find_samples(find_benchmark("rain12"), tmp_path / "rain12")[0].load()
    assert given.shape == target.shape == (12, 16, 3)


def test_pairs_keep_their_16_bits(tmp_path: Path) -> None:
    for side in ("input", "target"):
        deep(tmp_path / side / "0.png", (32, 24))
    given, target = find_samples(PAIRS, tmp_path)[0].load()
    assert given.dtype == target.dtype == np.uint16


def test_a_sample_changes_with_its_files(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 1)
    (sample,) = find_samples(GAUSSIAN, tmp_path, 25)
    before = sample.digest()
    picture(tmp_path / "0.png", 2)
    assert sample.digest() != before


def test_a_made_sample_changes_with_what_its_degradation_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "0.png", 1)
    degrade = ({"haze": {"level": "light"}}, 7)
    sample = Sample(name="0", inputs=(), target=tmp_path / "0.png", sigma=None, channels=None, degrade=degrade)
    before = sample.digest()
    assert sample.digest() == before
    monkeypatch.setattr(Haze, "_exposure", lambda self, image, params: torch.full((1, 1, 1, 1), 0.5))
    assert sample.digest() != before
