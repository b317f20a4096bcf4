import math
from typing import Any

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.rain import RainStreaks
from pellucid.degrade.rain.streaks import RainLayer, RainStreaksParams
from pellucid.errors import ConfigError

LEVELS: Any = DEGRADATIONS["rain"].levels


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rain_on(image: Tensor, rain: RainStreaks) -> Tensor:
    draws = rng()
    return rain.apply(image, [rain.sample(draws) for _ in image])


def grey(count: int = 1, level: float = 0.4, side: int = 160) -> Tensor:
    return torch.full((count, 3, side, side), level)


def mean_angle(streaks: Tensor) -> float:
    """From the vertical in degrees, by the structure tensor; falling towards the right is positive."""
    along_y, along_x = (ndimage.gaussian_filter(streaks.double().numpy(), 1.5, order=o) for o in ((1, 0), (0, 1)))
    return math.degrees(math.atan2(-2 * (along_x * along_y).sum(), (along_x**2 - along_y**2).sum()) / 2)


@pytest.mark.parametrize("screen", [0.0, 1.0])
def test_streaks_only_brighten_without_mist(screen: float) -> None:
    image = torch.rand((4, 3, 64, 64), generator=rng())
    degraded = rain_on(image, RainStreaks(mist=(0.0, 0.0), screen=(screen, screen)))
    assert (degraded >= image).all()
    assert (degraded > image).any()
    assert degraded.max() <= 1


def test_the_veil_lowers_contrast_towards_the_airlight() -> None:
    image = torch.rand((4, 3, 64, 64), generator=rng())
    degraded = rain_on(image, RainStreaks(brightness=(0.0, 0.0), mist=(0.1, 0.1), gusts=(0.0, 0.0)))
    assert (degraded.std((1, 2, 3)) < 0.9 * image.std((1, 2, 3))).all()


@pytest.mark.parametrize("angle", [-50.0, -20.0, 0.0, 35.0])
def test_streaks_fall_at_the_angle_asked_for(angle: float) -> None:
    rain = RainStreaks(
        angle=(angle, angle), angle_spread=(0.5, 0.5), length=(30.0, 30.0), width=(2.0, 2.0), mist=(0.0, 0.0)
    )
    streaks = (rain_on(grey(), rain) - grey())[0].mean(0)
    assert mean_angle(streaks) == pytest.approx(angle, abs=3)


def test_each_level_rains_more_than_the_one_before() -> None:
    image = grey(6)
    degraded = {name: rain_on(image, rain) for name, rain in LEVELS.items()}
    share = [((degraded[name] - image) > 0.05).float().mean().item() for name in ("drizzle", "medium", "heavy")]
    error = [(degraded[name] - image).square().mean().item() for name in ("drizzle", "medium", "heavy")]
    assert share == sorted(share)
    assert error == sorted(error)
    assert share[2] > 5 * share[0] > 0


def test_streaks_are_dimmer_in_a_dark_scene() -> None:
    added, bright = RainStreaks(screen=(0.0, 0.0), mist=(0.0, 0.0)), grey(4, 0.4)
    dark = torch.zeros_like(bright)
    assert 0 < rain_on(dark, added).sum() < 0.8 * (rain_on(bright, added) - bright).sum()


def test_screened_streaks_fade_on_white() -> None:
    screened = RainStreaks(screen=(1.0, 1.0), mist=(0.0, 0.0))
    bright, mid = grey(4, 0.9), grey(4, 0.4)
    assert (rain_on(bright, screened) - bright).sum() < (rain_on(mid, screened) - mid).sum() / 2


def test_streaks_take_on_the_colour_of_the_scene() -> None:
    image = torch.tensor([0.6, 0.3, 0.1])[None, :, None, None].expand(2, 3, 96, 96)
    added = rain_on(image, RainStreaks(tint=(1.0, 1.0), screen=(0.0, 0.0), mist=(0.0, 0.0))) - image
    red, green, blue = added.mean((0, 2, 3)).tolist()
    assert red > green > blue


def test_scale_enlarges_streaks_and_keeps_the_share_they_cover() -> None:
    small, large = RainStreaks().sample(rng()), RainStreaks(scale=3.0).sample(rng())
    for near, far in zip(large.layers, small.layers, strict=True):
        assert near.length == pytest.approx(3 * far.length)
        assert near.width == pytest.approx(3 * far.width)
        assert near.density == pytest.approx(far.density / 9)


def test_near_layers_have_fewer_and_larger_streaks() -> None:
    layers = RainStreaks(layers=(4, 4), defocus=(0.0, 0.0)).sample(rng()).layers
    by_length = sorted(layers, key=lambda layer: layer.length)
    assert [layer.width for layer in by_length] == sorted(layer.width for layer in layers)
    assert [layer.density for layer in by_length] == sorted((layer.density for layer in layers), reverse=True)


def test_the_seed_places_the_streaks() -> None:
    first, second = LEVELS["medium"].sample(rng(1)), LEVELS["medium"].sample(rng(2))
    apply = LEVELS["medium"].apply
    assert torch.equal(apply(grey(), [first]), apply(grey(), [first]))
    assert not torch.equal(apply(grey(), [first]), apply(grey(), [second]))


def test_level_rain_is_refused() -> None:
    with pytest.raises(ConfigError, match="75"):
        RainStreaks(angle=(0.0, 90.0))


@pytest.mark.parametrize("angle", [-50.0, -12.0, 6.0, 30.0])
def test_a_thin_slanted_streak_is_a_line_and_no_row_of_dots(angle: float) -> None:
    thin = RainLayer(angle=angle, angle_spread=0.0, length=400.0, width=0.8, brightness=0.9, density=10.0)  # just one
    params = [RainStreaksParams(layers=(thin,), screen=0.0, tint=0.0, veil=0.0, gusts=0.0, seed=i) for i in range(16)]
    streaks = (RainStreaks().apply(grey(16, side=100), params) - grey(16, side=100))[:, 0].amax(2)
    crossing = [rows[rows > rows.max() / 3] for rows in streaks if rows.max() > 0.05]
    dips = [
        rows[i] / min(rows[i - 10 : i].max(), rows[i + 1 : i + 11].max())
        for rows in crossing
        for i in range(10, len(rows) - 10)
    ]
    assert len(dips) > 100
    assert min(dips) > 0.65
