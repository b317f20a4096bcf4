from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.camera import CoredNoise, NightNoise, PlainNoise
from pellucid.degrade.camera.filters import coarser, luma

NIGHT = {
    "lights": 1.0,
    "grain": 0.0,
    "colour": 0.0,
    "rows": 0.0,
    "columns": 0.0,
    "wander": False,
    "blotches": 0.0,
    "hot": 0.0,
    "jpeg": None,
}


def noise(family: Any, level: float = 0.5, channels: int = 3, **changes: object) -> Tensor:
    """The noise (channels, 160, 160) on a flat grey, on the scale of 0-255."""
    image = torch.full((1, channels, 160, 160), level)
    params = replace(family.sample(torch.Generator().manual_seed(0)), **{"jpeg": None, **changes})
    return 255 * (family.apply(image, [params]) - image)[0]


def alike(values: Tensor, step: int = 1) -> float:
    """Correlation of a plane (H, W) with itself some pixels on."""
    pair = torch.stack([values[:, step:].flatten(), values[:, :-step].flatten()])
    return torch.corrcoef(pair)[0, 1].item()


@pytest.mark.parametrize("family", DEGRADATIONS["camera"].families.values(), ids=DEGRADATIONS["camera"].families)
def test_noise_is_clipped_and_of_all_strengths(family: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    image = torch.linspace(0.1, 0.9, 48).expand(100, 3, 48, 48)
    noisy = family.apply(image, [family.sample(rng) for _ in range(100)])
    strength = (noisy - image).std((1, 2, 3)) * 255
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    assert strength.quantile(0.1) < 5
    assert strength.quantile(0.9) > 12


@pytest.mark.parametrize("sigma", [0.0, 0.7, 2.5])
def test_coarser_noise_is_as_strong(sigma: float) -> None:
    drawn = torch.randn(1, 1, 300, 300, generator=torch.Generator().manual_seed(0))
    assert coarser(drawn, [sigma]).std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_noise_has_its_sigma_and_grows_with_the_signal(channels: int) -> None:
    one = {"sigma": 10.0, "grain": 0.8, "blotch": 2.0, "channels": channels}
    assert noise(PlainNoise(), signal=0.0, chroma=0.0, **one).std() == pytest.approx(10, rel=0.1)
    dark, light = (noise(PlainNoise(), level, signal=0.8, chroma=1.0, **one).std() for level in (0.25, 0.75))
    assert light / dark == pytest.approx((1.4 / 0.6) ** 0.5, rel=0.05)


def test_colour_noise_of_plain_noise_is_stronger_and_coarser() -> None:
    drawn = noise(PlainNoise(), sigma=10.0, signal=0.0, chroma=2.0, grain=0.0, blotch=2.0)
    bright = luma(drawn[None])[0]
    colour = drawn - bright
    assert colour.std() > 1.3 * bright.std()
    assert alike(colour[0], 2) > 0.6
    assert abs(alike(bright[0], 2)) < 0.1


def test_noise_by_night_is_strongest_in_the_shadows() -> None:
    dark, light = (noise(NightNoise(), level, **{**NIGHT, "sigma": 10.0, "lights": 0.2}) for level in (0.2, 0.8))
    assert dark.std() / light.std() == pytest.approx(0.84 / 0.36, rel=0.05)


@pytest.mark.parametrize("wander", [False, True])
def test_bands_are_whole_rows(wander: bool) -> None:
    drawn = noise(NightNoise(), **{**NIGHT, "sigma": 0.0, "rows": 5.0, "wander": wander})
    assert drawn.std(2).max() < 1e-3
    rows = drawn[0, :, :1]
    assert rows.std() == pytest.approx(5, rel=0.5)
    assert (alike(rows.T) > 0.7) == wander


def test_clouds_have_colour_but_no_brightness() -> None:
    drawn = noise(NightNoise(), **{**NIGHT, "sigma": 0.0, "blotches": 8.0, "blotch": 10.0})
    assert luma(drawn[None]).abs().max() < 1e-2
    assert drawn[0].std() > 2
    assert alike(drawn[0], 3) > 0.6
    assert not noise(NightNoise(), channels=1, **{**NIGHT, "sigma": 0.0, "blotches": 8.0}).any()


def test_hot_pixels_are_few_bright_and_of_one_channel() -> None:
    drawn = noise(NightNoise(), 0.1, **{**NIGHT, "sigma": 0.0, "hot": 1e-3})
    bright = drawn > 50
    assert 5 < bright.any(0).sum() < 400
    assert (bright.sum(0) <= 1).float().mean() > 0.99


def test_coring_clears_flat_places_and_leaves_noise_beside_edges() -> None:
    image = torch.full((1, 3, 96, 96), 0.3)
    image[:, :, :, 48:] = 0.7
    drawn = replace(
        CoredNoise().sample(torch.Generator().manual_seed(0)), sigma=10.0, growth=0.0, threshold=2.0, fine=1.5
    )
    left = (CoredNoise().apply(image, [replace(drawn, sharpening=0.0, jpeg=None)]) - image)[0]
    fine = left.diff(dim=1)
    assert fine[:, :, 46:50].std() > 2 * fine[:, :, 10:30].std()
    all_of_it = CoredNoise().apply(image, [replace(drawn, threshold=0.0, sharpening=0.0, jpeg=None)]) - image
    assert all_of_it.std() * 255 == pytest.approx(10, rel=0.05)
