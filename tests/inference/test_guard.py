"""Results that cannot be believed: found, tried again, and said."""

import logging

import numpy as np
import pytest
import torch
from torch import Tensor

from pellucid.errors import RestoreError
from pellucid.inference import Restorer
from pellucid.inference.guard import TileWatch, find_problem

from conftest import Identity

SIDE = 64


class FailsWhere(Identity):
    """Brightens, but spoils images whose first pixel is marked, unless they are smaller than it is given."""

    def __init__(self, spoilt: Tensor, smallest: int = 0) -> None:
        super().__init__()
        self.spoilt, self.smallest = spoilt, smallest

    def forward(self, image: Tensor) -> Tensor:
        marked = (image == 1).all(1).any() and max(image.shape[2:]) > self.smallest
        return image * self.spoilt[:, None, None] if marked else image + 4 / 255


def picture_with_marks(*places: tuple[int, int]) -> np.ndarray:
    pixels = np.full((200, 200, 3), 100, np.uint8)
    for y, x in places:
        pixels[y, x] = 255
    return pixels


@pytest.mark.parametrize(
    ("spoilt", "problem"),
    [
        ((1.0, torch.nan, 1.0), "undefined values"),
        ((1.0, torch.inf, 1.0), "undefined values"),
        ((50.0, 50.0, 50.0), "blow-up"),
        ((1.9, 0.3, 0.3), "colour drift"),
    ],
)
def test_a_bad_tile_stays_as_it_was_and_is_told(
    spoilt: tuple[float, ...], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    pixels, watch = picture_with_marks((10, 150)), TileWatch()
    restorer = Restorer(FailsWhere(torch.tensor(spoilt)), tile=SIDE, overlap=0)
    restored = restorer.restore_array(pixels, watch=watch)
    assert [(event.problem, event.remedy) for event in watch.events] == [(problem, "input kept")]
    left, top, right, bottom = watch.events[0].box
    assert left <= 150 < right and top <= 10 < bottom
    changed = (restored != pixels).all(2)
    assert not changed[top:bottom, left:right].any()
    assert changed.sum() == 200 * 200 - (right - left) * (bottom - top)
    assert f"1 of {watch.tiles} tiles stayed as they were: {problem}" in caplog.text


def test_smaller_pieces_are_tried_first() -> None:
    pixels, watch = picture_with_marks((10, 10)), TileWatch()
    network = FailsWhere(torch.full((3,), torch.nan), smallest=SIDE)
    restored = Restorer(network, tile=2 * SIDE, overlap=0).restore_array(pixels, watch=watch)
    assert [event.remedy for event in watch.events] == ["smaller"]
    np.testing.assert_array_equal(restored, np.minimum(pixels.astype(int) + 4, 255))


def test_a_network_that_spoils_everything_is_an_error() -> None:
    with pytest.raises(RestoreError, match="undefined values in every tile"):
        Restorer(FailsWhere(torch.full((3,), torch.nan)), tile=SIDE).restore_array(np.full((99, 99, 3), 255, np.uint8))


def test_a_network_that_does_nothing_is_told(identity: Identity, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Restorer(identity, tile=SIDE).restore_array(picture_with_marks())
    assert "changed nothing" in caplog.text


def test_an_ordinary_tile_has_no_problem() -> None:
    before = torch.rand(9, 9, 3)
    assert find_problem(before, before + 0.01) is None
    assert find_problem(before.repeat(1, 1, 2), before) is None, "two views that became one"


def test_numbers_beyond_the_ordinary_range_are_no_blow_up() -> None:
    bright = 40 * torch.rand(9, 9, 3)
    assert find_problem(bright, bright * 1.2) is None
