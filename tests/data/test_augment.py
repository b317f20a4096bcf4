import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.augment import SYMMETRIES, Crop, symmetry


def test_the_eight_symmetries_are_eight() -> None:
    image = torch.arange(9).reshape(3, 3)
    assert len({tuple(symmetry(image, i).flatten().tolist()) for i in range(SYMMETRIES)}) == SYMMETRIES


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_a_crop_lies_within_its_picture(height: int, width: int, side: int, seed: int) -> None:
    side = min(height, width, side)
    crop = Crop.draw(torch.Generator().manual_seed(seed), height, width, side)
    assert 0 <= crop.top <= height - side
    assert 0 <= crop.left <= width - side
    assert 0 <= crop.turn < SYMMETRIES
    assert crop.of(torch.zeros(3, height, width, dtype=torch.uint8)).shape == (3, side, side)


def test_crops_reach_every_place_and_turn() -> None:
    rng = torch.Generator().manual_seed(0)
    crops = {(c.top, c.left, c.turn) for c in (Crop.draw(rng, 5, 6, 4) for _ in range(1000))}
    assert len(crops) == 2 * 3 * SYMMETRIES


def test_white_is_one_at_both_depths() -> None:
    crop = Crop(top=0, left=0, side=1, turn=0)
    assert crop.of(torch.full((1, 1, 1), 255, dtype=torch.uint8)).item() == 1
    deep = torch.full((1, 1, 1), 65535, dtype=torch.int32).to(torch.uint16)
    assert crop.of(deep).item() == 1
