from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.compose import create_degradation
from pellucid.degrade.haze import Corridor, DepthHaze, Planes, Plumes, Veil
from pellucid.degrade.haze.guided import joint_bilateral, reduced
from pellucid.degrade.haze.planes import Bank
from pellucid.degrade.haze.scattering import brightness, colours, exposed, through


def sample(family: Any, seed: int = 0, **changes: object) -> Any:
    return replace(family.sample(torch.Generator().manual_seed(seed)), **changes)


def photo(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(7))


HAZE = DEGRADATIONS["haze"]


@pytest.fixture(params=HAZE.families.values(), ids=HAZE.families)
def family(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_haze_takes_contrast_away(family: Any) -> None:
    smooth = torch.nn.functional.interpolate(photo(1, 1, 5, 5), (48, 48), mode="bicubic").clamp(0, 1)
    image = smooth.expand(200, 3, -1, -1)
    rng = torch.Generator().manual_seed(0)
    hazy = family.apply(image, [family.sample(rng) for _ in range(200)])
    contrast = hazy.std((1, 2, 3)) / image[0].std()
    assert contrast.median() < 0.85
    assert contrast.quantile(0.05) < 0.35
    assert contrast.quantile(0.95) > 0.75
    assert hazy.min() >= 0
    assert hazy.max() <= 1


def test_a_grey_picture_sees_the_haze_of_its_colours_mean(family: Any) -> None:
    grey = photo(1, 1, 40, 40)
    hazy = family.apply(grey, [sample(family, 3)])
    assert hazy.shape == grey.shape
    assert (hazy - grey).abs().max() > 0.02


def test_what_is_drawn_from_any_is_trained_on_and_the_unseen_is_not() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = {create_degradation("haze", family="any").sample(rng)[0] for _ in range(100)}
    assert drawn == {"haze", *HAZE.families} - {HAZE.unseen}


@pytest.mark.parametrize("in_light", [False, True])
def test_koschmieder(in_light: bool) -> None:
    image, air = photo(1, 3, 4, 4), torch.full((1, 3, 1, 1), 0.8)
    assert torch.equal(through(image, torch.zeros(1, 1, 4, 4), air, [in_light])[:, :, :1, :1], air) or in_light
    torch.testing.assert_close(through(image, torch.ones(1, 1, 4, 4), air, [in_light]), image)
    half = through(torch.zeros(1, 3, 4, 4), torch.full((1, 1, 4, 4), 0.5), air, [in_light])
    expected = 0.8 * 0.5**0.5 if in_light else 0.4
    torch.testing.assert_close(half, torch.full((1, 3, 4, 4), expected))


def test_haze_is_as_bright_as_what_the_same_light_lights() -> None:
    air = colours([(0.9, 0.45, 0.9)], photo(1, 3, 8, 8))
    for level in (0.3, 0.8):
        scene = torch.full((1, 3, 40, 40), level)
        assert exposed(air, brightness(scene), [1.0]).amax() == pytest.approx(level)
        assert torch.equal(exposed(air, brightness(scene), [0.0]), air)


@pytest.mark.parametrize("name", ["depth", "plumes", "veil", "planes"])
def test_haze_over_a_dark_scene_may_be_dark(name: str) -> None:
    dark, family = torch.full((30, 3, 24, 24), 0.25), HAZE.families[name]
    rng = torch.Generator().manual_seed(0)
    lit, unlit = (
        [replace(family.sample(rng), lit=share, **({"lamps": ()} if name == "plumes" else {})) for _ in range(30)]
        for share in (1.0, 0.0)
    )
    assert family.apply(dark, lit).max() <= 0.26
    assert family.apply(dark, unlit).max() > 0.5


def test_enlarged_depth_has_the_edges_of_the_picture_but_not_its_texture() -> None:
    image = torch.zeros(1, 3, 96, 96)
    image[..., 50:] = 0.8
    image[:, :, ::2] += 0.03
    depth = joint_bilateral(reduced(image[:, :1], 24), image, sigma=0.05)
    assert (depth[..., 50] - depth[..., 49]).min() > 0.5
    assert depth[..., 10:40].diff(dim=2).abs().max() < 0.01


def test_depth_is_flat_in_a_region_and_breaks_at_its_border() -> None:
    image = torch.zeros(1, 3, 192, 192)
    image[:, 0, :, :97], image[:, 2, :, 97:] = 0.9, 0.4
    steps, sharp, inside = [], [], []
    for seed in range(20):
        params = sample(DepthHaze(), seed, ground=0.0, nearest=0.0, place=0.3, cues=(0.0, 0.0, 0.0, 1.0))
        depth = DepthHaze().depth(image, [params])[0, 0]
        assert 0 <= depth.min() < depth.max() <= 1
        jumps = depth.diff(dim=1).abs().mean(0)
        steps.append(jumps[90:104].sum())
        sharp.append(jumps[96])
        inside.append(jumps[10:80].mean())
    assert sum(steps) > 20 * 0.1
    assert sum(inside) < 20 * 0.01
    assert sum(sharp) > 0.17 * sum(steps)  # a tenth, if it were enlarged without the picture's edges


def test_ground_recedes_to_the_horizon_and_pale_things_are_far() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    ground = sample(DepthHaze(), ground=1.0, horizon=0.0, cues=(0.0, 0.0, 1.0, 0.0))
    assert (DepthHaze().depth(flat, [ground])[0, 0, 3:-3].diff(dim=0) < 0).all()
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, :, :32] = 0.9
    image[:, 0, :, 32:] = 0.9
    pale = DepthHaze().depth(image, [sample(DepthHaze(), ground=0.0, cues=(0.5, 0.5, 0.0, 0.0))])[0, 0]
    assert pale[:, :24].mean() > pale[:, 40:].mean() + 0.3


def test_smoke_is_thick_in_one_place_and_absent_in_another() -> None:
    params = sample(Plumes(), threshold=0.3, softness=0.5, folded=False, size=(0.6, 0.6), billows=0.3)
    density = Plumes().density(photo(1, 3, 96, 96), [params])
    assert (density == 0).float().mean() > 0.2
    assert density.max() > 0.8


def test_lamps_colour_the_smoke_around_them() -> None:
    black = torch.zeros(1, 3, 64, 64)
    orange = (0.5, 0.25, 0.1, (0.9, 0.5, 0.2))
    params = sample(Plumes(), optical_depth=20.0, threshold=-6.0, colour=(0.0, 0.0, 0.0), lit=0.0, lamps=(orange,))
    smoke = Plumes().apply(
        black, [replace(params, in_light=False, window=replace(params.window, top=0.0, left=0.0, extent=1.0))]
    )
    assert smoke[0, 0, 32, 16] > 0.8
    assert smoke[0, 0, 32, 16] > smoke[0, 2, 32, 16] + 0.5
    assert smoke[0, 0, 32, 60] < 0.2


def test_shade_darkens_smoke_behind_smoke() -> None:
    white = torch.ones(1, 3, 48, 48)
    full = {"optical_depth": 5.0, "threshold": -2.0, "lamps": (), "lit": 0.0, "colour": (1.0, 1.0, 1.0)}
    lit, shaded = (Plumes().apply(white, [sample(Plumes(), shade=shade, **full)]) for shade in (0.0, 1.0))
    assert lit.min() > 0.999
    assert shaded.mean() < 0.9


VEIL = {"transmission": 1.0, "forward": 0.0, "fading": 0.0, "lamps": 0.0, "of_scene": 0.0, "lit": 0.0}


def test_a_veil_is_even_and_fading_takes_colour_only() -> None:
    image = photo(1, 3, 40, 40)
    veiled = Veil().apply(image, [sample(Veil(), **{**VEIL, "transmission": 0.4}, in_light=False)])
    share = veiled - 0.4 * image
    torch.testing.assert_close(share, share[:, :, :1, :1].expand_as(share))
    faded = Veil().apply(image, [sample(Veil(), **{**VEIL, "fading": 1.0})])
    torch.testing.assert_close(faded, image.mean(1, keepdim=True).expand_as(image))


def test_a_lamp_glows_in_mist_as_wide_as_the_scale_says() -> None:
    night = torch.zeros(1, 3, 128, 128)
    night[:, :, 62:66, 62:66] = 1.0

    def width(scale: float) -> int:
        veil = Veil(radius=(3.0, 3.0), scale=scale)
        drawn = sample(veil, **{**VEIL, "forward": 0.5, "lamps": 3.0}, tail=0.0)
        row = veil.apply(night, [drawn])[0, 0, 64]
        return int((row > 0.2 * row[58]).sum())

    assert width(1.0) > 8
    assert width(3.0) > 1.8 * width(1.0)


def test_banks_of_fog_have_the_thickness_of_all_that_one_looks_through() -> None:
    far, near = (
        Bank(edge=edge, slope=0.0, relief=0.0, softness=0.001, optical_depth=depth, airlight=(0.8, 0.8, 0.8))
        for edge, depth in ((0.3, 1.0), (0.7, 0.5))
    )
    flat = {"unrest": 0.0, "lit": 0.0, "in_light": False, "on_ground": False, "banks": (far, near)}
    params = sample(Planes(window=(1, 1)), **flat)
    fog = Planes().apply(torch.zeros(1, 3, 50, 50), [params])[0, 0, :, 25] / 0.8
    expected = 1 - torch.tensor([-1.5, -0.5, 0.0]).exp()
    torch.testing.assert_close(fog[[5, 25, 45]], expected, atol=1e-4, rtol=0)
    lying = Planes().apply(torch.zeros(1, 3, 50, 50), [replace(params, on_ground=True)])[0, 0, :, 25] / 0.8
    torch.testing.assert_close(lying[[45, 5]], expected[[0, 2]], atol=1e-4, rtol=0)


def test_edges_of_banks_are_uneven() -> None:
    bank = Bank(edge=0.5, slope=0.0, relief=0.1, softness=0.001, optical_depth=1.0, airlight=(1.0, 1.0, 1.0))
    params = sample(Planes(window=(1, 1)), banks=(bank,), unrest=0.0, on_ground=False)
    rows = (Planes().thickness(photo(1, 3, 64, 64), [params])[0, 0] > 0.5).sum(0).float()
    assert rows.std() > 1.5


def test_a_corridor_is_deepest_at_its_end_and_things_hide_it() -> None:
    params = sample(Corridor(window=(1, 1)), end=(0.5, 0.5), half=(0.5, 0.5), length=4.0, boxes=())
    image = photo(1, 3, 64, 64)
    depth = Corridor().depth(image, [params])[0, 0]
    assert depth[32, 32] == 1
    assert depth[0, 0] == pytest.approx(0.25, abs=0.01)
    assert (depth[32, 44:].diff() < 0).all()
    thing = Corridor().depth(image, [replace(params, boxes=((0.4, 0.4, 0.6, 0.6, 0.5),))])[0, 0]
    assert thing[32, 32] == 0.5
    assert torch.equal(thing[:20], depth[:20])


def test_even_smoke_in_a_corridor_adds_up_to_its_optical_depth() -> None:
    params = sample(Corridor(window=(1, 1)), end=(0.5, 0.5), boxes=(), unrest=0.0, optical_depth=2.0, in_light=False)
    params = replace(params, near=(1.0, 1.0, 1.0), far=(1.0, 1.0, 1.0))
    black = torch.zeros(1, 3, 33, 33)
    depth = Corridor().depth(black, [params])
    torch.testing.assert_close(Corridor().apply(black, [params])[:, :1], 1 - (-2 * depth).exp())


def test_what_is_near_in_a_corridor_is_seen_through_the_near_smoke_only() -> None:
    params = sample(Corridor(window=(1, 1)), boxes=((-1.0, -1.0, 2.0, 2.0, 0.25),), unrest=0.0, in_light=False)
    params = replace(params, end=(0.5, 0.5), half=(10.0, 10.0), optical_depth=40.0, near=(1.0,) * 3, far=(0.0,) * 3)
    smoke = Corridor().apply(torch.zeros(1, 3, 16, 16), [params])
    torch.testing.assert_close(smoke, torch.full_like(smoke, 1 - 0.5 / 4), atol=1e-3, rtol=0)
