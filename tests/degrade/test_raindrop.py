from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.raindrop import Raindrops
from pellucid.errors import ConfigError

LEVELS: Any = DEGRADATIONS["raindrop"].levels

PLAIN = Raindrops(
    coverage=(0.2, 0.2),
    radius=(12.0, 12.0),
    variety=(0.0, 0.0),
    irregularity=(0.0, 0.0),
    sliding=(0.0, 0.0),
    flatness=(0.0, 0.0),
    outside=(0.0, 0.0),
    rim=(0.0, 0.0),
    glint=(0.0, 0.0),
    defocus=(0.0001, 0.0001),
    mist=(0.0, 0.0),
)


SPARSE = replace(PLAIN, coverage=(0.03, 0.03), view=(40.0, 40.0))  # few drops touch
MARGIN = 50  # where drops do not look beyond the picture, which is mirrored there


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drops_on(image: Tensor, drops: Raindrops) -> Tensor:
    draws = rng()
    return drops.apply(image, [drops.sample(draws) for _ in image])


def noise(count: int = 1, side: int = 160) -> Tensor:
    return torch.rand((count, 3, side, side), generator=rng(3))


def upper_and_lower_means(added: Tensor) -> list[tuple[float, float]]:
    """Mean of what (H, W) adds in the upper and lower half of each well visible drop away from the border."""
    labels, _ = ndimage.label((added.abs() > 1e-4).numpy())
    halves: list[tuple[float, float]] = []
    for rows, columns in ndimage.find_objects(labels):
        patch, half = added[rows, columns], (rows.stop - rows.start) // 2
        inside = rows.start >= MARGIN and rows.stop <= len(added) - MARGIN
        if inside and min(patch.shape) > 12:
            halves.append((patch[:half].mean().item(), patch[-half:].mean().item()))
    return halves


def test_the_glass_between_drops_changes_nothing() -> None:
    drops = replace(PLAIN, defocus=(2.0, 2.0))
    first, second = ((drops_on(image, drops) - image).abs().gt(1e-4).any(1) for image in (noise(), 1 - noise()))
    assert (first != second).float().mean() < 0.02  # the last of the blur changes little
    assert 0.2 < (first | second).float().mean() < 0.8


def test_drops_cover_the_share_asked_for() -> None:
    image = noise(8)
    for coverage in (0.1, 0.3, 0.5):
        degraded = drops_on(image, replace(PLAIN, coverage=(coverage, coverage), radius=(8.0, 8.0)))
        assert (degraded - image).abs().gt(1e-4).any(1).float().mean().item() == pytest.approx(coverage, rel=0.25)


def test_a_scene_of_one_colour_is_refracted_into_itself() -> None:
    image = torch.full((1, 3, 64, 64), 0.3)
    torch.testing.assert_close(drops_on(image, PLAIN), image, atol=1e-5, rtol=0)


def test_drops_turn_the_scene_upside_down() -> None:
    image = torch.linspace(1, 0, 384)[:, None].expand(1, 3, 384, 384)  # bright above
    halves = upper_and_lower_means((drops_on(image, SPARSE) - image)[0, 0])
    assert len(halves) > 3
    assert all(upper < 0 < lower for upper, lower in halves)


def test_drops_show_the_sky_below_even_where_there_is_none() -> None:
    image = torch.full((1, 3, 384, 384), 0.5)
    halves = upper_and_lower_means((drops_on(image, replace(SPARSE, outside=(1.0, 1.0), rim=(0.2, 0.2))) - image)[0, 0])
    assert len(halves) > 3
    assert all(upper < 0 < lower for upper, lower in halves)


def test_the_sky_is_brighter_than_the_picture_but_dark_at_night() -> None:
    sky = replace(PLAIN, outside=(1.0, 1.0), sky=(6.0, 6.0))
    day, night = torch.full((1, 3, 128, 128), 0.5), torch.full((1, 3, 128, 128), 0.1)
    night[..., 60:64, 60:64] = 1  # a lamp
    assert drops_on(day, sky).max() > 0.999
    assert drops_on(night, sky).quantile(0.99) < 0.35


def test_rims_darken() -> None:
    image = torch.full((1, 3, 128, 128), 0.5)
    degraded = drops_on(image, replace(PLAIN, rim=(0.8, 0.8)))
    assert (degraded <= image + 1e-6).all()
    assert degraded.min() < 0.42


def test_defocus_softens_the_drops() -> None:
    image = torch.full((1, 1, 128, 128), 0.2)
    lit = replace(PLAIN, outside=(1.0, 1.0))
    sharp, soft = drops_on(image, lit), drops_on(image, replace(lit, defocus=(4.0, 4.0)))
    steepest = [(degraded[..., 1:, 1:] - degraded[..., :-1, 1:]).abs().max() for degraded in (sharp, soft)]
    assert steepest[1] < steepest[0] / 2


def test_mist_lowers_contrast_everywhere() -> None:
    image = noise()
    degraded = drops_on(image, replace(PLAIN, mist=(0.3, 0.3)))
    assert (degraded != image).float().mean() > 0.99
    assert degraded.std() < 0.9 * image.std()


def test_levels_cover_more_and_differ_in_focus() -> None:
    image = noise(6)
    covered = {
        name: (drops_on(image, replace(drops, mist=(0.0, 0.0))) - image).abs().gt(0.05).any(1).float().mean()
        for name, drops in LEVELS.items()
    }
    assert covered["few"] < covered["defocused"]
    assert covered["few"] < covered["many"]
    assert LEVELS["defocused"].defocus[0] > max(LEVELS[n].defocus[1] for n in ("few", "many"))


def test_scale_enlarges_drops_and_blur() -> None:
    small, large = Raindrops().sample(rng()), Raindrops(scale=3.0).sample(rng())
    assert large.coverage == small.coverage
    for name in ("radius", "view"):
        assert getattr(large, name) == pytest.approx(3 * getattr(small, name))
    assert large.lens.radius == pytest.approx(3 * small.lens.radius)


def test_the_seed_places_the_drops() -> None:
    first = PLAIN.sample(rng())
    second = replace(first, seed=first.seed + 1)
    image = noise()
    assert torch.equal(PLAIN.apply(image, [first]), PLAIN.apply(image, [first]))
    assert not torch.equal(PLAIN.apply(image, [first]), PLAIN.apply(image, [second]))


@pytest.mark.parametrize("coverage", [(0.0, 0.5), (0.5, 1.0)])
def test_glass_without_drops_or_all_under_water_is_refused(coverage: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Raindrops(coverage=coverage)
