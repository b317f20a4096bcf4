from typing import Any

import numpy as np
import pytest
import torch

from pellucid.degrade import DEGRADATIONS, compose, create_degradation, degrade_photo
from pellucid.degrade.compression import Jpeg
from pellucid.degrade.families import Families
from pellucid.degrade.noise import GaussianNoise
from pellucid.errors import ConfigError
from pellucid.imaging import Photo


def test_steps_happen_in_order() -> None:
    image = torch.rand(1, 3, 24, 24)
    rng = torch.Generator().manual_seed(0)
    both = compose({"motion": {}, "gaussian": {"low": 10, "high": 10}})
    (params,) = [both.sample(rng)]
    (blur, _), (noise, _) = both.steps
    by_hand = noise.apply(blur.apply(image, [params[0]]), [params[1]])
    assert torch.equal(both.apply(image, [params]), by_hand)


def test_a_step_happens_as_often_as_its_probability_says() -> None:
    step = compose({"gaussian": {"probability": 0.3}})
    rng = torch.Generator().manual_seed(0)
    params = [step.sample(rng) for _ in range(2000)]
    assert np.mean([drawn[0] is not None for drawn in params]) == pytest.approx(0.3, abs=0.03)
    image = torch.rand(40, 1, 4, 4)
    changed = (step.apply(image, params[:40]) != image).flatten(1).any(dim=1)
    assert changed.tolist() == [drawn[0] is not None for drawn in params[:40]]


@pytest.mark.parametrize("name", [name for name, kind in DEGRADATIONS.items() if kind.levels])
def test_levels_are_stronger_and_stronger(name: str) -> None:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((8, 3, 16, 16))).float()
    image = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)
    changes: list[float] = []
    for level in DEGRADATIONS[name].levels:
        degradation = create_degradation(name, level=level)
        params = [degradation.sample(torch.Generator().manual_seed(i)) for i in range(len(image))]
        changes.append((degradation.apply(image, params) - image).square().mean().item())
    assert changes[0] < changes[1]
    if name != "raindrop":  # whose last level is another kind, not a stronger one
        assert changes[1] < changes[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rian": {}}, "Unknown degradation 'rian'. Did you mean 'rain'?"),
        ({"rain": {"level": "havy"}}, "Unknown level 'havy' of rain. Did you mean 'heavy'?"),
        ({"jpeg": {"level": "heavy"}}, "Unknown level 'heavy' of jpeg. It has none."),
        ({"gaussian": {"hihg": 3}}, "gaussian has no option 'hihg'. Did you mean 'high'?"),
        ({"gaussian": {"high": "much"}}, "gaussian.high must be a finite number of at least 0, not 'much'"),
        ({"gaussian": {"high": float("inf")}}, "gaussian.high must be a finite number of at least 0, not inf"),
        ({"jpeg": {"quality": [90, 10]}}, "jpeg.quality must be a range, [low, high], not [90, 10]"),
        ({"defocus": {"radius": [0, 3]}}, "defocus: a range drawn by its logarithm must begin above 0, not at 0"),
        ({"rain": {"probability": 2}}, "rain.probability must be at most 1, not 2"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_nearest(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose(options)
    assert str(error.value) == message


def test_a_photo_keeps_all_but_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 40, 3), np.uint16)
    alpha = np.full((30, 40), 1000, np.uint16)
    photo = Photo(pixels=pixels, alpha=alpha, exif=b"Exif\0\0")
    degraded = degrade_photo(photo, {"haze": {"level": "dense"}}, seed=1)
    assert degraded.pixels.dtype == np.uint16
    assert not np.array_equal(degraded.pixels, pixels)
    assert np.array_equal(degraded.alpha, alpha)
    assert degraded.exif == photo.exif
    again = degrade_photo(photo, {"haze": {"level": "dense"}}, seed=1)
    assert np.array_equal(degraded.pixels, again.pixels)


def test_lengths_grow_with_the_picture() -> None:
    def bright_rows(side: int) -> int:
        pixels = np.zeros((side, side, 1), np.uint8)
        pixels[side // 2, side // 2] = 255
        lens = {"defocus": {"radius": (6, 6), "highlights": (1, 1)}}
        degraded = degrade_photo(Photo(pixels=pixels), lens, seed=0).pixels
        return int((degraded.max(axis=1) > degraded.max() / 2).sum())

    assert bright_rows(1920) == pytest.approx(4 * bright_rows(480), rel=0.15)


def test_families_degrade_each_image_by_the_renderer_drawn_for_it() -> None:
    renderers = {"dark": (Jpeg(quality=(5, 5)), 1.0), "noisy": (GaussianNoise(low=50, high=50), 3.0)}
    families = Families(members=renderers)
    rng = torch.Generator().manual_seed(0)
    params = [families.sample(rng) for _ in range(200)]
    assert 20 < sum(name == "dark" for name, _ in params) < 80
    image = torch.rand(8, 3, 16, 16)
    degraded = families.apply(image, params[:8])
    for one, before, (name, drawn) in zip(degraded, image, params[:8], strict=True):
        assert torch.equal(one, renderers[name][0].apply(before[None], [drawn])[0])


def test_a_family_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="Unknown family 'sheets' of jpeg"):
        create_degradation("jpeg", family="sheets")
    with pytest.raises(ConfigError, match="'quality' is an option of one family"):
        create_degradation("jpeg", family="any", quality=(3, 5))
