import math

import pytest
import torch
from scipy import ndimage

from pellucid.degrade.rain import RainGrains
from pellucid.degrade.rain.blending import BlendParams
from pellucid.degrade.rain.grains import GrainLayer, GrainsParams

WHITE = BlendParams(colour=(1.0, 1.0, 1.0), sky=0.0, opacity=1.0, blend="opaque", veil=0.0, patchiness=0.0, seed=0)
SMEARED = GrainLayer(angle=25.0, length=40.0, grain=2.0, share=0.01, gain=1.0, fading=False, softness=0.5)


def rain(layer: GrainLayer, seed: int = 1) -> torch.Tensor:
    params = GrainsParams(layers=(layer,), blend=WHITE, seed=seed)
    return RainGrains().apply(torch.zeros(1, 1, 160, 160), [params])[0, 0]


def test_it_goes_from_drizzle_to_opaque_sheets() -> None:
    image, rng = torch.full((8, 3, 128, 128), 0.4), torch.Generator().manual_seed(0)
    heavy = RainGrains(cover=(1.2, 1.2), opacity=(1.0, 1.0), gain=(2.0, 2.0))
    light = RainGrains(cover=(0.02, 0.02), opacity=(0.5, 0.5), veil=(0.0, 0.0))
    errors = [
        (one.apply(image, [one.sample(rng) for _ in image]) - image).square().mean((1, 2, 3)) for one in (heavy, light)
    ]
    assert -10 * math.log10(errors[0].max().item()) < 12
    assert -10 * math.log10(errors[1].median().item()) > 25


@pytest.mark.parametrize("angle", [-40.0, 0.0, 30.0])
def test_grains_are_smeared_in_the_direction_asked_for(angle: float) -> None:
    layer = GrainLayer(angle=angle, length=40.0, grain=2.0, share=0.01, gain=1.0, fading=True, softness=0.5)
    along_y, along_x = (ndimage.gaussian_filter(rain(layer).double().numpy(), 1.5, order=o) for o in ((1, 0), (0, 1)))
    measured = math.degrees(math.atan2(-2 * (along_x * along_y).sum(), (along_x**2 - along_y**2).sum()) / 2)
    assert measured == pytest.approx(angle, abs=2)


def test_a_lone_grain_becomes_a_streak_of_its_level_and_length() -> None:
    lone = GrainLayer(angle=0.0, length=40.0, grain=4.0, share=0.0005, gain=0.6, fading=False, softness=0.3)
    streaks = next(drawn for drawn in (rain(lone, seed) for seed in range(50)) if drawn.max() > 0.3)
    column = streaks[:, streaks.amax(0).argmax()]
    assert column.max() < 0.7
    assert 34 < (column > column.max() / 2).sum() < 50


def test_streaks_go_on_across_the_border() -> None:
    upright = GrainLayer(angle=0.0, length=50.0, grain=2.0, share=0.02, gain=1.0, fading=False, softness=0.5)
    streaks = rain(upright)
    assert (streaks[0] - streaks[-1]).abs().mean() < 0.1 * streaks.std()
    assert streaks[0].max() > 0.5
