import pytest
import torch
from torch import Tensor

from pellucid.degrade.rain import RainLines
from pellucid.degrade.rain.blending import BlendParams
from pellucid.degrade.rain.lines import LineLayer, LinesParams

WHITE = BlendParams(colour=(1.0, 1.0, 1.0), sky=0.0, opacity=1.0, blend="opaque", veil=0.0, patchiness=0.0, seed=0)
THIN = LineLayer(angle=20.0, angle_spread=0.0, length=60.0, width=4.0, density=500.0, faintest=1.0)


def rain_on(image: Tensor, rain: RainLines) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return rain.apply(image, [rain.sample(rng) for _ in image])


def psnr(degraded: Tensor, image: Tensor) -> Tensor:
    return -10 * (degraded - image).square().mean((1, 2, 3)).log10()


def test_it_goes_from_drizzle_to_opaque_sheets() -> None:
    image = torch.full((8, 3, 128, 128), 0.4)
    heavy = rain_on(image, RainLines(cover=(1.4, 1.4), opacity=(1.0, 1.0)))
    light = rain_on(image, RainLines(cover=(0.02, 0.02), opacity=(0.5, 0.5), veil=(0.0, 0.0)))
    assert psnr(heavy, image).min() < 12
    assert ((heavy - image).mean(1) > 0.2).float().mean() > 0.4
    assert psnr(light, image).median() > 25


def test_lines_are_flat_with_hard_edges() -> None:
    image = torch.zeros(1, 1, 128, 128)
    params = LinesParams(layers=(THIN,), oversampling=3, blur=0.0, blend=WHITE, seed=1)
    rain = RainLines().apply(image, [params])
    full, none = (rain > 0.99).float().mean(), (rain == 0).float().mean()
    assert full > 0.02
    assert full + none > 0.95  # hardly a pixel lies on an edge
    soft = RainLines().apply(image, [LinesParams(layers=(THIN,), oversampling=3, blur=1.0, blend=WHITE, seed=1)])
    assert ((soft > 0.05) & (soft < 0.95)).float().mean() > 2 * (1 - full - none)


@pytest.mark.parametrize("angle", [-60.0, -8.0, 35.0])
def test_a_thin_slanted_line_is_not_broken(angle: float) -> None:
    line = LineLayer(angle=angle, angle_spread=0.0, length=120.0, width=1.0, density=100.0, faintest=1.0)
    params = [LinesParams(layers=(line,), oversampling=3, blur=0.0, blend=WHITE, seed=seed) for seed in range(8)]
    rain = RainLines().apply(torch.zeros(8, 1, 128, 128), params)[:, 0]
    rows = rain.sum(2)
    reached = rows[rows > 0]
    assert len(reached) > 100
    assert (reached > 0.5).float().mean() > 0.95  # all but the ends


def test_scale_enlarges_lines_and_keeps_the_area_they_cover() -> None:
    small, large = (RainLines(scale=s).sample(torch.Generator().manual_seed(2)) for s in (1.0, 3.0))
    for near, far in zip(large.layers, small.layers, strict=True):
        assert near.length == pytest.approx(3 * far.length)
        assert near.width == pytest.approx(3 * far.width)
        assert near.density == pytest.approx(far.density / 9)
