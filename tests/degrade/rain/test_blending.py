from dataclasses import replace

import pytest
import torch

from pellucid.degrade.rain.blending import BLENDS, Blend, BlendParams, blend_rain, sample_blend

PALE = BlendParams(colour=(0.7, 0.8, 0.9), sky=0.0, opacity=1.0, blend="added", veil=0.0, patchiness=0.0, seed=0)
MASK = torch.ones(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("blend", "expected"),
    [("added", (1.0, 1.0, 1.0)), ("opaque", (0.7, 0.8, 0.9)), ("screened", (0.85, 0.9, 0.95))],
)
def test_each_blend_is_what_its_name_says(blend: Blend, expected: tuple[float, ...]) -> None:
    image = torch.full((1, 3, 4, 4), 0.5)
    rainy = blend_rain(image, MASK, [replace(PALE, blend=blend)])
    torch.testing.assert_close(rainy[0, :, 0, 0], torch.tensor(expected))


def test_where_there_is_no_rain_only_the_veil_changes_the_picture() -> None:
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(2, 1, 16, 16)
    clear = blend_rain(image, nothing, [PALE, replace(PALE, blend="opaque")])
    torch.testing.assert_close(clear, image)
    foggy = blend_rain(image, nothing, [replace(PALE, veil=0.5)] * 2)
    assert (foggy.std((2, 3)) < 0.6 * image.std((2, 3))).all()


def test_rain_takes_on_the_colour_of_a_sky() -> None:
    image = torch.zeros(1, 3, 16, 16)
    image[:, 0, :8] = 0.9  # a red sky
    rainy = blend_rain(image, torch.ones(1, 1, 16, 16), [replace(PALE, blend="opaque", sky=1.0)])
    assert rainy[0, 0].min() > 0.8
    assert rainy[0, 2].max() < 0.4


def test_light_rain_is_drawn_as_often_as_heavy() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = [sample_blend(rng, (0.25, 1.0), (0.1, 0.5)) for _ in range(400)]
    assert sum(p.opacity < 0.5 for p in drawn) == pytest.approx(200, abs=40)
    assert sum(p.veil == 0 for p in drawn) == pytest.approx(200, abs=40)
    assert {p.blend for p in drawn} == set(BLENDS)
