from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from pellucid.benchmark.ensemble import self_ensemble
from pellucid.inference import Restorer


@pytest.fixture
def noisy() -> NDArray[np.float32]:
    return np.random.default_rng(0).random((6, 9, 3), np.float32) * 1.4 - 0.2


def ramp(picture: NDArray[Any]) -> NDArray[Any]:
    """Adds what depends on the place, so that symmetries matter."""
    height, width = picture.shape[:2]
    return picture + np.arange(height * width, dtype=np.float32).reshape(height, width, 1) / 1000


def test_it_is_the_mean_over_the_eight_symmetries_by_hand(noisy: NDArray[np.float32]) -> None:
    x = noisy
    by_hand = [
        ramp(x),
        ramp(x[:, ::-1])[:, ::-1],
        ramp(x[::-1])[::-1],
        ramp(x[::-1, ::-1])[::-1, ::-1],
        ramp(x.transpose(1, 0, 2)).transpose(1, 0, 2),
        ramp(x[:, ::-1].transpose(1, 0, 2)).transpose(1, 0, 2)[:, ::-1],
        ramp(x[::-1].transpose(1, 0, 2)).transpose(1, 0, 2)[::-1],
        ramp(x[::-1, ::-1].transpose(1, 0, 2)).transpose(1, 0, 2)[::-1, ::-1],
    ]
    np.testing.assert_allclose(self_ensemble(ramp, x), np.mean(by_hand, axis=0), atol=1e-6)


def test_what_commutes_with_symmetries_is_unchanged(noisy: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(self_ensemble(lambda x: x * 2, noisy), noisy * 2, atol=1e-6)


def test_integers_come_back_rounded_once() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    up = self_ensemble(lambda x: x + np.float32(0.4 / 255), picture)
    np.testing.assert_array_equal(up, picture)
    assert up.dtype == np.uint8


def test_a_network_takes_it(tiny_ast: nn.Module) -> None:
    picture = np.random.default_rng(0).random((40, 24, 3), np.float32)
    restorer = Restorer(tiny_ast, tile="off", device="cpu")
    both = self_ensemble(restorer.restore_array, picture)
    turned = self_ensemble(restorer.restore_array, np.ascontiguousarray(np.rot90(picture)))
    np.testing.assert_allclose(np.rot90(both), turned, atol=1e-5)
