from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.fields import Window, scene_axes, smooth_noise
from pellucid.degrade.haze import Haze, HazeParams


def sample(seed: int = 0, **changes: object) -> HazeParams:
    return replace(Haze(window=(1, 1)).sample(torch.Generator().manual_seed(seed)), **changes)


def photo(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("seed", range(5))
def test_transmission_is_a_share_and_falls_with_optical_depth(seed: int) -> None:
    image = photo(1, 3, 40, 60)
    thin, thick = (Haze().transmission(image, [sample(seed, optical_depth=beta)]) for beta in (0.5, 1.0))
    assert thick.min() > 0
    assert thin.max() <= 1
    assert (thick <= thin).all()
    torch.testing.assert_close(thin**2, thick)


@pytest.mark.parametrize("linear_light", [False, True])
def test_what_is_infinitely_far_has_the_colour_of_the_airlight(linear_light: bool) -> None:
    params = [sample(optical_depth=1e6, nearest=0.1, linear_light=linear_light)]
    image = photo(1, 3, 40, 60)
    torch.testing.assert_close(Haze().apply(image, params), Haze().airlight(image, params))


@pytest.mark.parametrize("linear_light", [False, True])
def test_without_optical_depth_there_is_no_haze(linear_light: bool) -> None:
    image = photo(1, 3, 40, 60)
    hazy = Haze().apply(image, [sample(optical_depth=0.0, linear_light=linear_light)])
    torch.testing.assert_close(hazy, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_hazy_values_lie_between_the_scene_and_the_airlight(seed: int) -> None:
    image, params = photo(1, 3, 40, 60), [sample(seed)]
    hazy, airlight = Haze().apply(image, params), Haze().airlight(image, params)
    assert (hazy >= torch.minimum(image, airlight) - 1e-5).all()
    assert (hazy <= torch.maximum(image, airlight) + 1e-5).all()


def test_light_mixed_as_light_looks_hazier_in_the_shadows() -> None:
    black = torch.zeros(1, 3, 32, 32)
    as_srgb, as_light = (Haze().apply(black, [sample(linear_light=linear)]) for linear in (False, True))
    assert (as_light > as_srgb).all()


def test_sky_above_the_horizon_is_farther_than_the_ground() -> None:
    params = sample(shape=(1.0, 0.0, 0.0, 0.0, 0.0), horizon=0.5, roll=0.0)
    depth = Haze().depth(photo(1, 3, 64, 64), [params])[0, 0]
    torch.testing.assert_close(depth[:30], torch.ones(30, 64))
    assert (depth[33:].diff(dim=0) < 0).all()


def test_objects_end_where_the_picture_has_an_edge() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, :, 32:] = 1
    steps = []
    for seed in range(30):
        depth = Haze().depth(image, [sample(seed, shape=(0.0, 0.0, 0.0, 1.0, 0.0))])[0, 0]
        jumps = depth.diff(dim=1).abs().mean(0)
        steps.append(jumps[31] / jumps.mean())
    assert torch.stack(steps).median() > 3


def test_regions_are_flat_and_end_where_the_colour_does() -> None:
    image = torch.zeros(1, 3, 96, 96)
    image[:, 0, :, 48:] = 1
    at_the_edge, elsewhere = [], []
    for seed in range(30):
        depth = Haze().depth(image, [sample(seed, shape=(0.0, 0.0, 0.0, 0.0, 1.0), nearest=0.0)])[0, 0]
        assert 0 <= depth.min() < depth.max() <= 1
        steps = depth.diff(dim=1).abs()
        at_the_edge.append(steps[:, 44:51].sum(1).mean())
        elsewhere.append((steps > 0.01).float().mean())
    assert torch.stack(at_the_edge).mean() > 0.15
    assert torch.stack(elsewhere).mean() < 0.25


def test_plain_haze_is_even_and_of_one_grey() -> None:
    rng = torch.Generator().manual_seed(0)
    params = [Haze(plain=1.0, window=(1, 1)).sample(rng)]
    airlight = Haze().airlight(photo(1, 3, 24, 24), params)
    torch.testing.assert_close(airlight, airlight[:, :1, :1, :1].expand_as(airlight))
    assert (params[0].patchiness, params[0].linear_light) == (0.0, False)


def test_haze_is_as_bright_as_what_the_same_light_lights() -> None:
    scene = photo(1, 3, 40, 40)
    for brightness in (0.3, 0.8):
        airlight = Haze().airlight(scene * brightness, [sample(glow=1.0)])
        assert airlight.max().item() == pytest.approx(brightness, abs=0.05)
    assert torch.equal(Haze().airlight(scene, [sample(glow=0.0)]), Haze().airlight(0.1 * scene, [sample(glow=0.0)]))


def test_smoke_in_a_room_is_lit_by_what_is_near_it() -> None:
    room = torch.full((1, 3, 48, 48), 0.1)
    room[:, 0, 8:16, 8:16] = 1.0  # a red lamp
    near = dict(around=(0.0, 0.0, 1.0, 0.0, 0.0), around_colour=1.0, around_gain=1.0)
    airlight = Haze().airlight(room, [sample(airlight=(0.8, 0.8, 0.8), airlight_aside=(0.8, 0.8, 0.8), **near)])[0]
    assert airlight[0, 12, 12] > 0.7
    assert airlight[0, 12, 12] > airlight[0, 12, 26] + 0.2
    assert airlight[0, 40, 40] < 0.11
    assert airlight[1].max() < 0.11
    whole = Haze().airlight(room, [sample(around=(1.0, 0.0, 0.0, 0.0, 0.0), around_gain=1.0)])
    assert whole.amax(1).std() < 0.05


def test_rooms_and_open_air_share_a_batch() -> None:
    image = photo(2, 3, 24, 40)
    params = [sample(around=(0.2, 0.2, 0.2, 0.2, 0.2)), sample(1, around=(0.0,) * 5)]
    together = Haze().apply(image, params)
    for i in range(2):
        torch.testing.assert_close(together[i : i + 1], Haze().apply(image[i : i + 1], params[i : i + 1]))


def test_pictures_of_many_megapixels_have_a_brightness_too() -> None:
    large = torch.full((1, 1, 4097, 4097), 0.5)
    params = sample(glow=1.0)
    assert Haze()._exposure(large, [params]).item() == pytest.approx(0.5 / max(params.airlight))


def test_a_window_sees_part_of_the_same_scene() -> None:
    image = photo(1, 3, 64, 64)
    whole = Haze().transmission(image, [sample(shape=(0.4, 0.3, 0.3, 0.0, 0.0))])
    window = Window(top=0.5, left=0.25, extent=0.5)
    part = Haze().transmission(image[:, :, :32, :32], [sample(shape=(0.4, 0.3, 0.3, 0.0, 0.0), window=window)])
    torch.testing.assert_close(part, whole[:, :, 32:, 16:48], atol=1e-5, rtol=0)


def test_a_larger_picture_sees_the_same_haze() -> None:
    params = [sample()]
    small = torch.full((1, 3, 48, 64), 0.3)
    large = torch.full((1, 3, 192, 256), 0.3)
    reduced = torch.nn.functional.avg_pool2d(Haze().apply(large, params), 4)
    torch.testing.assert_close(reduced, Haze().apply(small, params), atol=0.01, rtol=0)


def test_a_grey_picture_sees_grey_haze() -> None:
    params = [
        sample(optical_depth=1e6, nearest=0.1, airlight=(0.9, 0.8, 0.7), airlight_aside=(0.9, 0.8, 0.7), glow=0.0)
    ]
    hazy = Haze().apply(photo(1, 1, 8, 8), params)
    torch.testing.assert_close(hazy, torch.full((1, 1, 8, 8), 0.8))


def test_levels_grow() -> None:
    image, means = photo(1, 3, 32, 32), []
    for haze in (DEGRADATIONS["haze"].levels[name] for name in ("light", "medium", "dense")):
        rng = torch.Generator().manual_seed(0)
        means.append(torch.stack([haze.transmission(image, [haze.sample(rng)]).mean() for _ in range(40)]).mean())
    assert means[0] > means[1] + 0.1 > means[2] + 0.2


def test_airlight_is_bright_and_not_always_grey() -> None:
    rng = torch.Generator().manual_seed(0)
    colours = torch.tensor([Haze().sample(rng).airlight for _ in range(500)])
    assert colours.amax(1).min() >= 0.6
    assert colours.max() <= 1
    warmth = colours[:, 0] - colours[:, 2]
    assert warmth.min() < -0.05
    assert warmth.max() > 0.05


def test_smooth_noise_is_standard_smooth_and_repeatable() -> None:
    windows, seeds = [Window()] * 200, list(range(200))
    y, x = scene_axes(windows, torch.zeros(200, 1, 64, 64))
    field = smooth_noise(seeds, y, x, cells=4, octaves=3)
    assert field.mean().abs() < 0.1
    assert field.std() == pytest.approx(1, abs=0.05)
    assert field.diff(dim=1).std() < 0.2
    torch.testing.assert_close(smooth_noise([5], y[5:6], x[5:6], cells=4, octaves=3)[0], field[5])
    assert not torch.equal(field[0], field[1])
