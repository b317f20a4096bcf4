"""Colours below full transparency, as a network gets to see them."""

import numpy as np
import pytest

from pellucid.imaging import fill_transparent

RNG = np.random.default_rng(9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 5), (33, 17), (64, 64), (515, 3)])
def test_visible_pixels_stay_and_others_become_like_them(dtype, shape):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    pixels = (RNG.random((*shape, 3)) * top).astype(dtype)
    alpha = (RNG.random(shape) < 0.3).astype(dtype)
    alpha[0, 0] = 1
    filled = fill_transparent(pixels, alpha)
    assert filled.dtype == dtype
    visible = pixels[alpha > 0]
    np.testing.assert_array_equal(filled[alpha > 0], visible)
    assert (filled >= visible.min(0) - top / 1e4).all()
    assert (filled <= visible.max(0) + top / 1e4).all()


def test_colours_come_from_nearby():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :20], pixels[:, 44:] = (200, 10, 10), (10, 10, 200)
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[:, 20:44] = 0
    filled = fill_transparent(pixels, alpha)
    assert (filled[:, 20] == (200, 10, 10)).all()
    assert (filled[:, 43] == (10, 10, 200)).all()


def test_nothing_to_fill_or_to_fill_with():
    pixels = RNG.integers(0, 256, (4, 4, 1), np.uint8)
    assert fill_transparent(pixels, np.ones((4, 4), np.uint8)) is pixels
    assert fill_transparent(pixels, np.zeros((4, 4), np.uint8)) is pixels
