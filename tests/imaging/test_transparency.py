"""Colours below full transparency, as a network gets to see them."""

import numpy as np
import pytest

from pellucid.imaging.transparency import CELL, fill, means_of_cells

RNG = np.random.default_rng(9)


def filled(pixels, visible):
    means = means_of_cells([(pixels, visible)])
    return pixels if means is None else fill(pixels, visible, means)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 5), (33, 17), (64, 64), (515, 3)])
def test_visible_pixels_stay_and_others_become_like_them(dtype, shape):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    pixels = (RNG.random((*shape, 3)) * top).astype(dtype)
    visible = RNG.random(shape) < 0.3
    visible[0, 0] = True
    result = filled(pixels, visible)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[visible], pixels[visible])
    assert (result >= pixels[visible].min(0) - top / 1e4).all()
    assert (result <= pixels[visible].max(0) + top / 1e4).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("share", [0.002, 0.3, 0.999])
def test_parts_are_filled_as_the_whole_is(dtype, share):
    pixels = (RNG.random((203, 117, 3)) * (1 if dtype == "float32" else 255)).astype(dtype)
    visible = RNG.random((203, 117)) < share
    visible[100, 50] = True
    whole = filled(pixels, visible)
    spans = [slice(top, min(top + 5 * CELL, 203)) for top in range(0, 203, 5 * CELL)]
    means = means_of_cells((pixels[span], visible[span]) for span in spans)
    for rows in spans:
        for columns in slice(0, 2 * CELL), slice(2 * CELL, 117):
            cells = (
                slice(rows.start // CELL, -(-rows.stop // CELL)),
                slice(columns.start // CELL, -(-columns.stop // CELL)),
            )
            part = fill(pixels[rows, columns], visible[rows, columns], means[cells])
            np.testing.assert_array_equal(part, whole[rows, columns])


def test_colours_come_from_nearby():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :20], pixels[:, 44:] = (200, 10, 10), (10, 10, 200)
    visible = np.ones((64, 64), bool)
    visible[:, 20:44] = False
    result = filled(pixels, visible)
    assert (result[:, 20] == (200, 10, 10)).all()
    assert (result[:, 43] == (10, 10, 200)).all()


def test_what_is_hidden_may_be_no_number():
    pixels = np.full((16, 16, 1), 0.5, np.float32)
    pixels[3:5], visible = np.nan, np.ones((16, 16), bool)
    visible[3:5] = False
    np.testing.assert_array_equal(filled(pixels, visible), np.full((16, 16, 1), 0.5, np.float32))


def test_nothing_to_fill_or_to_fill_with():
    pixels = RNG.integers(0, 256, (4, 4, 1), np.uint8)
    for visible in np.ones((4, 4), bool), np.zeros((4, 4), bool):
        assert means_of_cells([(pixels, visible)]) is None
