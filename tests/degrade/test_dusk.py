import math

import pytest
import torch

from pellucid.degrade.dusk import Dusk, DuskParams

SKY = DuskParams(skyline=2.0, fall=2.0, zenith=(0.0, 0.1, 0.2), glow=(1.0, 0.6, 0.2), ground=0.5, seed=0)


def test_light_falls_off_above_the_skyline() -> None:
    sky = Dusk().apply(torch.rand(1, 3, 100, 50), [SKY])[0]
    for row in (0, 99):
        light = math.exp(-2 * (2.0 - (row + 0.5) / 100))
        expected = torch.tensor([light, 0.1 + 0.5 * light, 0.2])
        torch.testing.assert_close(sky[:, row], expected[:, None].expand(3, 50), atol=1e-4, rtol=0)


def test_below_the_skyline_is_the_picture_in_less_light() -> None:
    image = torch.rand(1, 3, 100, 50)
    params = DuskParams(skyline=-1.0, fall=2.0, zenith=SKY.zenith, glow=SKY.glow, ground=0.5, seed=0)
    torch.testing.assert_close(Dusk().apply(image, [params]), 0.5 * image, atol=1e-4, rtol=0)


def test_it_is_smooth_where_the_picture_was_not() -> None:
    dusk = Dusk(skyline=(3.0, 3.0))
    sky = dusk.apply(torch.rand(8, 3, 64, 64), [dusk.sample(torch.Generator().manual_seed(i)) for i in range(8)])
    assert sky.diff(dim=2).abs().max() < 0.05
    assert sky.diff(dim=3).abs().max() < 1e-6


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_falls_on_pictures_of_any_size(channels: int, size: tuple[int, int]) -> None:
    dusk = Dusk()
    sky = dusk.apply(torch.rand(4, channels, *size), [dusk.sample(torch.Generator().manual_seed(i)) for i in range(4)])
    assert sky.shape == (4, channels, *size)
    assert 0 <= sky.min() <= sky.max() <= 1
