"""``octave/`` holds scikit-image's coffee photo, degraded, and what the original MATLAB script says of it in Octave."""

import csv
import math
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from pellucid.errors import ConfigError, ImageError
from pellucid.metrics import psnr, ssim

OCTAVE = Path(__file__).parent / "octave"
ROWS = list(csv.DictReader((OCTAVE / "octave.csv").open()))


def load(name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(OCTAVE / f"{name}.png").convert("RGB"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["variant"])
def test_agrees_with_the_matlab_script(row: dict[str, str]) -> None:
    degraded, truth = load(f"{row['image']}_{row['variant']}"), load(f"{row['image']}_gt")
    assert psnr(degraded, truth, "matlab-y") == pytest.approx(float(row["psnr_y"]), abs=2e-6)
    assert ssim(degraded, truth, "matlab-y") == pytest.approx(float(row["ssim_y"]), abs=2e-6)
    assert psnr(degraded, truth, "rgb") == pytest.approx(float(row["psnr_rgb"]), abs=2e-6)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["variant"])
def test_rgb_ssim_agrees_with_scikit_image(row: dict[str, str]) -> None:
    degraded, truth = load(f"{row['image']}_{row['variant']}"), load(f"{row['image']}_gt")
    expected = structural_similarity(degraded, truth, channel_axis=2)
    assert ssim(degraded, truth, "rgb") == pytest.approx(expected, abs=1e-6)


def test_grey_pictures_may_lack_the_channel_axis() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (20, 31), np.uint8) for _ in range(2))
    assert psnr(a, b) == psnr(a[:, :, None], b[:, :, None])
    assert ssim(a, b) == pytest.approx(structural_similarity(a, b), abs=1e-6)


def test_equal_pictures_are_perfect() -> None:
    picture = load("coffee_gt")
    assert psnr(picture, picture) == math.inf
    assert ssim(picture, picture) == pytest.approx(1)


def test_a_difference_of_one_everywhere_is_48_decibels() -> None:
    picture = np.full((16, 16, 3), 100, np.uint8)
    assert psnr(picture, picture + 1) == pytest.approx(20 * math.log10(255))


def test_ssim_of_a_megapixel_is_quick() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    started = time.process_time()
    ssim(picture, picture[::-1])
    assert time.process_time() - started < 1


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("a", "b", "protocol", "error", "message"),
    [
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8), "rgb", ImageError, "differ in size"),
        (np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), "rgb", ImageError, "uint8"),
        (np.zeros((16, 16, 1), np.uint8), np.zeros((16, 16, 1), np.uint8), "matlab-y", ImageError, "RGB"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8), "matlab", ConfigError, "matlab-y"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    metric: object, a: NDArray[np.uint8], b: NDArray[np.uint8], protocol: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        metric(a, b, protocol)


def test_ssim_needs_a_whole_window() -> None:
    with pytest.raises(ImageError, match="11 pixels"):
        ssim(np.zeros((10, 30, 3), np.uint8), np.zeros((10, 30, 3), np.uint8), "matlab-y")
    with pytest.raises(ImageError, match="7 pixels"):
        ssim(np.zeros((6, 30), np.uint8), np.zeros((6, 30), np.uint8))
