"""Pictures larger than a network's working side: it sees a small copy, and its effect is carried over."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.checkpoints import load_network, save_network
from pellucid.inference import Restorer
from pellucid.models import create_network

from conftest import TINY_AST, PlainConfig

AIRLIGHT = 0.9


class Clear(nn.Module):
    """Removes a haze of known transmission that falls from left to right, and notes what it was given."""

    stride, alignment, working_side = 1, 1, 64

    def __init__(self) -> None:
        super().__init__()
        self.config = PlainConfig(3, 3)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape))
        return (image - AIRLIGHT) / transmission(image.shape[-1]) + AIRLIGHT


def transmission(width: int) -> Tensor:
    return 0.8 - 0.4 * (torch.arange(width) + 0.5) / width


def scene(height: int, width: int) -> NDArray[np.float32]:
    """Soft shapes with fine texture."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / max(height, width)
    shapes = 0.5 + 0.3 * np.sin(9 * x + 5 * y)[:, :, None] * np.array([1.0, 0.8, 0.6])
    return (shapes + rng.uniform(-0.1, 0.1, (height, width, 3))).astype(np.float32)


def hazy(clear: NDArray[np.float32]) -> NDArray[np.float32]:
    t = transmission(clear.shape[1]).numpy()[None, :, None]
    return (clear * t + AIRLIGHT * (1 - t)).astype(np.float32)


@pytest.mark.parametrize("size", [(300, 400), (401, 200), (65, 30)])
def test_haze_is_removed_from_a_large_picture_by_what_is_seen_in_a_small_one(size: tuple[int, int]) -> None:
    network, clear = Clear(), scene(*size)
    restored = Restorer(network).restore_array(hazy(clear))
    assert [max(shape) for shape in network.seen] == [64]
    error, before = (np.sqrt(np.square(image - clear).mean()) for image in (restored, hazy(clear)))
    assert error < before / 8


def test_what_was_replaced_loses_its_detail_and_all_else_keeps_it() -> None:
    network, clear = Clear(), scene(512, 512)
    drop = (slice(180, 300), slice(200, 330))
    seen = clear.copy()
    shapes = np.random.default_rng(1).uniform(0, 1, (6, 5, 3))
    seen[drop] = shapes.repeat(20, 0).repeat(26, 1) + 0.2 * (seen[drop] - 0.5)

    def without_the_drop(image: Tensor) -> Tensor:
        image = image.clone()
        image[:, :, 22:39, 24:43] = 0.4  # its place, an eighth as large, and a little more
        return image

    network.forward = without_the_drop
    restored = Restorer(network).restore_array(seen)
    inside = restored[190:290, 210:320]
    assert abs(inside.mean() - 0.4) < 0.01 and inside.std() < 0.03 < seen[drop].std()
    far = np.ones((512, 512), bool)
    far[140:352, 160:384] = False
    assert np.sqrt(np.square(restored[far] - clear[far]).mean()) < 0.01 < clear[far].std()


def test_a_picture_within_the_working_side_goes_through_whole() -> None:
    network, clear = Clear(), scene(64, 48)
    restored = Restorer(network).restore_array(hazy(clear))
    assert network.seen == [(1, 3, 64, 48)]
    np.testing.assert_allclose(restored, clear, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_and_size_are_kept_and_every_pixel_is_reported(dtype: type) -> None:
    pixels = (hazy(scene(150, 99)) * np.iinfo(dtype).max).astype(dtype)
    done: list[int] = []
    restored = Restorer(Clear()).restore_array(pixels, on_tile=done.append)
    assert (restored.shape, restored.dtype) == (pixels.shape, pixels.dtype)
    assert sum(done) == 150 * 99


@pytest.mark.parametrize("size", [(200, 130), (1, 500), (500, 1), (70, 2)])
def test_a_network_that_does_nothing_leaves_the_picture_as_it_is(size: tuple[int, int]) -> None:
    network = Clear()
    network.forward = lambda image: image
    pixels = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Restorer(network).restore_array(pixels), pixels)


def test_a_flat_picture_takes_the_colour_it_is_given() -> None:
    network = Clear()
    network.forward = lambda image: image * 0.5
    restored = Restorer(network).restore_array(np.full((200, 200, 3), 0.6, np.float32))
    np.testing.assert_allclose(restored, 0.3, atol=1e-3)


def test_the_working_side_is_kept_in_the_file(tmp_path: Path) -> None:
    network: Any = create_network("ast-t", **TINY_AST)
    notes = {"working_side": "384"}
    save_network(network, tmp_path / "a.safetensors", task="dehaze", licence="none", notes=notes)
    save_network(network, tmp_path / "b.safetensors", task="derain", licence="none")
    assert Restorer(load_network(tmp_path / "a.safetensors")).working_side == 384
    assert Restorer(load_network(tmp_path / "b.safetensors")).working_side is None
