import numpy as np
import pytest
import torch

from pellucid.degrade.rain import drawing
from pellucid.degrade.rain.drawing import blurred, discs, draw, ribbons


def upright(x: float, width: float) -> np.ndarray:
    return ribbons(np.array([[[x, 5.0], [x, 25.0]]]), np.full((1, 2), width))


def test_a_ribbon_is_flat_across_and_as_wide_as_asked_for() -> None:
    mask = draw([(upright(15.0, 4.0), np.ones(1))], 30, 30)
    row = mask[15]
    assert row.sum().item() == pytest.approx(4.0, abs=0.34)
    assert (row == 1).sum() >= 3
    assert mask[:4].sum() == mask[27:].sum() == 0


def test_the_brighter_shape_of_a_group_is_seen_and_the_later_group_lies_on_top() -> None:
    bright, faint = (upright(15.0, 4.0), np.ones(1)), (upright(15.0, 4.0), np.full(1, 0.2))
    both = np.concatenate([bright[0], faint[0]]), np.array([1.0, 0.2])
    assert draw([both], 30, 30)[15, 15] == 1
    assert draw([bright, faint], 30, 30)[15, 15] == pytest.approx(0.2, abs=0.01)


def test_a_disc_has_its_area_and_leans_as_asked_for() -> None:
    def mask(angle: float) -> torch.Tensor:
        shape = discs(np.array([[20.0, 20.0]]), np.array([6.0]), np.array([18.0]), np.array([angle]))
        return draw([(shape, np.ones(1))], 40, 40)

    assert mask(0.5).sum().item() == pytest.approx(np.pi * 3 * 9, rel=0.15)
    right = mask(0.5)[24:28] * torch.arange(40)  # a positive angle falls towards the right
    assert right.sum() / mask(0.5)[24:28].sum() > 21


def test_a_large_picture_is_drawn_in_bands_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = np.random.default_rng(0).uniform(-5, 45, (20, 2, 2))
    group = ribbons(paths, np.full((20, 2), 2.0)), np.linspace(0.2, 1, 20)
    whole = draw([group], 40, 40)
    monkeypatch.setattr(drawing, "FINE_PIXELS_AT_ONCE", 40 * 9 * 7)
    assert torch.equal(draw([group], 40, 40), whole)


def test_a_blur_keeps_the_light() -> None:
    mask = draw([(upright(15.0, 4.0), np.ones(1))], 30, 30)
    assert blurred(mask, 0.0) is mask
    assert blurred(mask, 1.0).sum().item() == pytest.approx(mask.sum().item(), rel=0.02)
    assert blurred(mask, 1.0).max() < mask.max()
