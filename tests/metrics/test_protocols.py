import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pellucid.errors import ImageError
from pellucid.metrics import PROTOCOLS, psnr, ssim

Picture = NDArray[np.uint8] | NDArray[np.uint16]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Picture, Picture]:
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    shape = draw(st.tuples(st.integers(11, 40), st.integers(11, 40), st.just(3)))
    return draw(arrays(dtype, shape)), draw(arrays(dtype, shape))


@settings(max_examples=25, deadline=None)
@given(pair=pairs(), protocol=st.sampled_from(PROTOCOLS))
@pytest.mark.parametrize("metric", [psnr, ssim])
def test_order_and_flips_change_nothing(metric: object, pair: tuple[Picture, Picture], protocol: str) -> None:
    a, b = pair
    score = metric(a, b, protocol)
    assert metric(b, a, protocol) == pytest.approx(score, abs=1e-9)
    assert metric(a[:, ::-1], b[:, ::-1], protocol) == pytest.approx(score, abs=1e-9)
    assert metric(a[::-1], b[::-1], protocol) == pytest.approx(score, abs=1e-9)
    assert metric(a.swapaxes(0, 1), b.swapaxes(0, 1), protocol) == pytest.approx(score, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(pair=pairs(), protocol=st.sampled_from(PROTOCOLS))
def test_a_picture_is_equal_to_itself(pair: tuple[Picture, Picture], protocol: str) -> None:
    assert psnr(pair[0], pair[0], protocol) == math.inf
    assert ssim(pair[0], pair[0], protocol) == pytest.approx(1)


@pytest.mark.parametrize(
    ("dtype", "shape"), list(itertools.product([np.uint8, np.uint16], [(50, 61, 3), (39, 40), (7, 9, 3), (101, 8)]))
)
def test_scikit_image_agrees(dtype: type, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    peak = np.iinfo(dtype).max
    a = rng.integers(0, peak, shape).astype(dtype)
    b = np.clip(a + rng.normal(0, peak / 20, shape), 0, peak).astype(dtype)
    axis = 2 if len(shape) == 3 else None
    for protocol in ("rgb", "skimage-rgb"):
        expected = structural_similarity(a, b, channel_axis=axis, data_range=peak)
        assert ssim(a, b, protocol) == pytest.approx(expected, abs=1e-6)
        assert psnr(a, b, protocol) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=peak), abs=1e-6)


def test_16_bits_that_hold_8_score_the_same() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (40, 40, 3), np.uint8)
    b = np.clip(a + rng.normal(0, 9, a.shape), 0, 255).astype(np.uint8)
    deep = [picture.astype(np.uint16) * 257 for picture in (a, b)]
    for protocol in ("rgb", "y-float"):
        assert psnr(*deep, protocol) == pytest.approx(psnr(a, b, protocol))
        assert ssim(*deep, protocol) == pytest.approx(ssim(a, b, protocol))


def test_luma_that_is_not_rounded_reads_higher() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(1, 255, (100, 100, 3), np.uint8)
    b = (a + rng.integers(-1, 2, a.shape)).astype(np.uint8)
    assert psnr(a, b, "y-float") > psnr(a, b, "matlab-y") + 0.5


def test_depths_do_not_mix() -> None:
    with pytest.raises(ImageError, match="depth"):
        psnr(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 3), np.uint16))


def test_ssim_at_the_edges_of_strips() -> None:
    rng = np.random.default_rng(0)
    for height in (37, 38, 39, 70, 71):
        a, b = (rng.integers(0, 256, (height, 12), np.uint8) for _ in range(2))
        assert ssim(a, b) == pytest.approx(structural_similarity(a, b), abs=1e-9)
