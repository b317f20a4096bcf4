import numpy as np
import pytest

from pellucid.imaging import shrink, shrunk_size, to_depth


@pytest.mark.parametrize(
    ("size", "longest", "small"),
    [((600, 400), 300, (300, 200)), ((400, 600), 600, (400, 600)), ((9, 1000), 50, (1, 50)), ((5, 7), 100, (5, 7))],
)
def test_the_longer_side_is_brought_down(size: tuple[int, int], longest: int, small: tuple[int, int]) -> None:
    assert shrunk_size(*size, longest) == small
    assert shrink(np.zeros((*size, 3), np.uint8), longest).shape == (*small, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_whole_blocks_are_averaged(dtype: type) -> None:
    rng = np.random.default_rng(0)
    pixels = to_depth(rng.random((12, 20, 3), np.float32), dtype)
    blocks = to_depth(pixels, np.float32).reshape(3, 4, 5, 4, 3).mean((1, 3))
    np.testing.assert_allclose(shrink(pixels, 5), blocks, atol=1e-6)


def test_parts_of_pixels_count_in_part() -> None:
    line = np.array([0.0, 0.3, 0.9], np.float32)[None, :, None]
    np.testing.assert_allclose(shrink(line, 2)[0, :, 0], [0.1, 0.7], atol=1e-6)  # (0 + 0.15) / 1.5, (0.15 + 0.9) / 1.5


def test_brightness_is_kept_at_odd_ratios() -> None:
    pixels = np.random.default_rng(0).random((101, 67, 1)).astype(np.float32)
    assert shrink(pixels, 40).mean() == pytest.approx(pixels.mean(), abs=5e-3)
    np.testing.assert_allclose(shrink(np.full((101, 67, 3), 0.3, np.float32), 40), 0.3, atol=1e-6)
