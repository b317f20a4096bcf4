from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pellucid.degrade import Degradation
from pellucid.degrade.raindrop import Beads, Blobs, Painted, Pane, Runs
from pellucid.degrade.raindrop.film import FilmParams, through_film
from pellucid.degrade.raindrop.stamping import scatter, stamp

DRY = FilmParams(blur=0.0, veil=0.0, gains=(1.0, 1.0, 1.0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(side: int = 160) -> Tensor:
    return torch.rand((1, 3, side, side), generator=rng(3))


def flat(value: float, side: int = 160) -> Tensor:
    return torch.full((1, 3, side, side), value)


def degraded(image: Tensor, renderer: Degradation, seed: int = 0, **changes: Any) -> Tensor:
    """One draw, with some of its parameters set."""
    return renderer.apply(image, [replace(renderer.sample(rng(seed)), **changes)])


def halves(added: Tensor) -> list[tuple[float, float]]:
    """Mean of what (H, W) adds in the upper and the lower half of each large patch that does not touch the border."""
    labels, _ = ndimage.label((added.abs() > 1e-4).numpy())
    found: list[tuple[float, float]] = []
    for rows, columns in ndimage.find_objects(labels):
        patch, half = added[rows, columns], (rows.stop - rows.start) // 2
        at_border = 0 in (rows.start, columns.start) or rows.stop == len(added) or columns.stop == added.shape[1]
        if min(patch.shape) > 12 and not at_border:
            found.append((patch[:half].mean().item(), patch[-half:].mean().item()))
    return found


def test_stamps_are_the_largest_value_and_its_owner() -> None:
    x, y, radius = scatter(rng(), (40, 60), coverage=0.5, radii=(2.0, 15.0), steepness=1.0)

    def cap(across: Tensor, down: Tensor, which: Tensor) -> Tensor:
        return radius[which] * (1 - across**2 - down**2)

    value, owner = stamp((40, 60), x, y, radius, cap)
    rows, columns = torch.arange(40)[:, None, None], torch.arange(60)[:, None]
    every = radius * (1 - ((columns - x) / radius) ** 2 - ((rows - y) / radius) ** 2)
    torch.testing.assert_close(value, every.amax(2).clamp_min(0), atol=1e-5, rtol=0)
    assert torch.equal(owner, torch.where(every.amax(2) > 0, every.argmax(2), -1))


def test_scattered_drops_cover_the_share_asked_for_by_a_power_law() -> None:
    x, _, radius = scatter(rng(), (600, 800), coverage=0.3, radii=(2.0, 16.0), steepness=2.0)
    expected = 1 - torch.exp(-torch.pi * radius.square().sum() / (600 * 800))
    assert expected.item() == pytest.approx(0.3, rel=0.1)
    assert x.min() >= 0
    assert x.max() <= 800
    assert radius.aminmax().min >= 2
    assert radius.aminmax().max <= 16
    larger = [(radius > size).float().mean().item() for size in (2.0, 4.0, 8.0)]
    assert larger[1] / larger[2] == pytest.approx((4**-2 - 16**-2) / (8**-2 - 16**-2), rel=0.2)


def test_a_film_lowers_contrast_and_tints() -> None:
    image = noise()
    wet = through_film(image, FilmParams(blur=0.6, veil=0.2, gains=(1.0, 0.9, 0.8)))
    assert wet.std() < 0.7 * image.std()
    torch.testing.assert_close(
        wet.mean((0, 2, 3)), torch.tensor([1.0, 0.9, 0.8]) * image.mean((0, 2, 3)), atol=0.005, rtol=0
    )
    assert torch.equal(through_film(image, DRY), image)


def test_beads_show_the_scene_upside_down() -> None:
    image = torch.linspace(1, 0, 320)[:, None].expand(1, 3, 320, 320)  # bright above
    plain: dict[str, Any] = {"field": 0.4, "rim": 0.0, "glint": 0.0, "elsewhere": 0.0, "softness": 0.1, "film": DRY}
    seen = degraded(image, Beads(), coverage=0.15, radii=(14.0, 20.0), irregularity=0.0, **plain)
    found = halves((seen - image)[0, 0, 100:220])
    assert len(found) > 1
    assert all(upper < 0 < lower for upper, lower in found)


def test_beads_are_of_all_sizes() -> None:
    changed = degraded(flat(0.5, 400), Beads(), coverage=0.15, radii=(1.5, 30.0), softness=0.3, rim=0.9, film=DRY) - 0.5
    labels, count = ndimage.label((changed.abs() > 0.01).any(1)[0].numpy())
    areas = sorted(ndimage.sum_labels(labels > 0, labels, range(1, count + 1)))
    assert areas[len(areas) // 10] < 50
    assert areas[-1] > 800


def test_beads_are_dark_above_and_bright_below() -> None:
    seen = degraded(
        flat(0.5), Beads(), coverage=0.2, radii=(14.0, 20.0), irregularity=0.0, field=1.2, sky=3.0, rim=0.8, film=DRY
    )
    found = halves((seen - 0.5)[0, 0])
    assert found
    assert all(upper < 0 < lower for upper, lower in found)


@pytest.mark.parametrize(("dark", "brighter"), [(0.0, True), (1.0, False)])
def test_blobs_are_brighter_than_what_they_hide_unless_dark(dark: float, brighter: bool) -> None:
    changed = (
        degraded(flat(0.4), Blobs(), dark=dark, sky=(0.8, 0.8, 0.8), own=0.0, variety=0.0, shading=0.0, film=DRY) - 0.4
    )
    assert (changed > 1e-3).any().item() == brighter
    assert (changed < -1e-3).any().item() != brighter


def test_blobs_hide_the_picture_and_have_soft_edges() -> None:
    image = noise()
    opaque: dict[str, Any] = {"opacity": 1.0, "own": 0.0, "shading": 0.0, "variety": 0.0, "dark": 0.0, "film": DRY}
    renderer = Blobs(defocus=(3.0, 3.0), smallest=(25.0, 25.0), largest=(30.0, 30.0), coverage=(0.4, 0.4))
    seen = degraded(image, renderer, **opaque)
    texture = torch.nn.functional.avg_pool2d((seen - seen.mean((2, 3), keepdim=True)).square(), 5)
    assert (texture.amax(1) < 0.4 * texture.mean()).float().mean() > 0.1
    edges = (
        degraded(flat(0.1), renderer, **opaque),
        degraded(flat(0.1), replace(renderer, defocus=(12.0, 12.0)), **opaque),
    )
    steepest = [one.diff(dim=3).abs().max() for one in edges]
    assert steepest[1] < steepest[0] / 2


def test_runs_go_down_the_glass_and_leave_the_rest_alone() -> None:
    image = noise(200)
    still: dict[str, Any] = {"lean": 0.0, "wander": 1.0, "wet": 1.0, "beads": 0.003, "film": DRY}
    changed = (degraded(image, Runs(spacing=(60.0, 60.0), width=(3.0, 3.0)), **still) != image).any(1)[0].float()
    assert 0.02 < changed.mean() < 0.4
    assert changed.mean(0).std() > 2 * changed.mean(1).std()


def test_water_of_runs_refracts_and_shades() -> None:
    clear: dict[str, Any] = {"shade": 0.0, "film": DRY}
    torch.testing.assert_close(degraded(flat(0.4), Runs(), **clear), flat(0.4), atol=1e-5, rtol=0)
    assert (degraded(noise(), Runs(), **clear) - noise()).abs().max() > 0.1
    shaded = degraded(flat(0.4), Runs(), shade=0.8, film=DRY)
    assert shaded.min() < 0.35
    assert shaded.max() > 0.45


def test_drops_wipe_the_mist_off_their_trails() -> None:
    image = noise(200)
    mist = FilmParams(blur=1.0, veil=0.3, gains=(1.0, 1.0, 1.0))
    trail: dict[str, Any] = {"wet": 0.0, "beads": 0.003, "shade": 0.0, "film": mist}
    seen = degraded(image, Runs(spacing=(50.0, 50.0), width=(5.0, 5.0)), **trail)
    untouched = (seen - image).abs().amax(1) < 0.02
    assert 0.02 < untouched.float().mean() < 0.6


@pytest.mark.parametrize("cover", [0.1, 0.5])
def test_water_on_a_pane_covers_the_share_asked_for(cover: float) -> None:
    changed = (degraded(noise(), Pane(), cover=cover, edge=1.0, grain=12.0, film=DRY) - noise()).abs().amax(1) > 0.02
    assert changed.float().mean().item() == pytest.approx(cover, abs=0.08)


def test_water_on_a_pane_bends_and_blurs_but_keeps_a_plain_colour() -> None:
    clear: dict[str, Any] = {"opacity": 0.0, "shade": 0.0, "film": DRY}
    torch.testing.assert_close(degraded(flat(0.4), Pane(), **clear), flat(0.4), atol=1e-5, rtol=0)
    ramp = torch.linspace(0, 1, 160).expand(1, 3, 160, 160).contiguous()
    bent = (degraded(ramp, Pane(), **clear, cover=0.4, bend=12.0, blur=0.5, edge=3.0, grain=20.0) - ramp)[..., 40:120]
    assert 4 / 160 < bent.abs().max() < 13 / 160


def test_painted_drops_are_layers_over_the_picture_without_optics() -> None:
    black, grey, white = (degraded(flat(value), Painted(), seed=2) for value in (0.0, 0.5, 1.0))
    torch.testing.assert_close(grey, (black + white) / 2, atol=1e-5, rtol=0)
    gradient: dict[str, Any] = {"opacity": 0.8, "middle": 0.0, "shadow": 0.0, "highlight": 0.0, "sigma": 0.5}
    found = halves((degraded(flat(0.5), Painted(), coverage=0.1, radii=(10.0, 18.0), **gradient) - 0.5)[0, 0])
    assert found
    assert all(upper < 0 < lower for upper, lower in found)


@pytest.mark.parametrize("renderer", [Beads(), Blobs(), Runs(), Pane(), Painted()], ids=lambda one: type(one).__name__)
def test_strengths_go_from_hardly_visible_to_strong(renderer: Degradation) -> None:
    image = torch.nn.functional.interpolate(
        torch.rand((1, 3, 12, 12), generator=rng(1)), size=(96, 96), mode="bicubic"
    ).clamp(0, 1)
    draws: Sequence[Any] = [renderer.sample(rng(seed)) for seed in range(40)]
    changes = (renderer.apply(image.expand(40, -1, -1, -1), draws) - image).square().mean((1, 2, 3)).sqrt()
    assert changes.quantile(0.1) < 0.06
    assert changes.quantile(0.9) > 0.08
