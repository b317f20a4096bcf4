from dataclasses import replace

import torch
from torch import Tensor

from pellucid.degrade.rain import RainWater
from pellucid.degrade.rain.blending import BlendParams
from pellucid.degrade.rain.water import WaterParams, WaterPlane

WHITE = BlendParams(colour=(1.0, 1.0, 1.0), sky=0.0, opacity=1.0, blend="opaque", veil=0.0, patchiness=0.0, seed=0)
PLANE = WaterPlane(
    edge=(0.4, 0.4),
    spacing=12.0,
    lean=0.0,
    throw=0.0,
    length=30.0,
    width=3.0,
    filled=0.6,
    beads=0.5,
    level=1.0,
    blur=0.0,
)
PARAMS = WaterParams(planes=(PLANE,), splashes=0.0, floor=0.9, splash_size=10.0, blend=WHITE, seed=1)


def water(params: WaterParams) -> Tensor:
    return RainWater().apply(torch.zeros(1, 1, 160, 160), [params])[0, 0]


def test_water_falls_from_the_edge_downwards() -> None:
    rows = water(PARAMS).mean(1)
    assert rows[:50].max() == 0
    assert (rows[80:] > 0.01).all()
    slanted = water(replace(PARAMS, planes=(replace(PLANE, edge=(0.0, 0.8)),)))
    assert slanted[40:60, :50].sum() > 0
    assert slanted[40:60, 110:].sum() == 0


def test_water_falls_in_rows_of_streaks_that_get_longer_further_down() -> None:
    def persistence(rows: Tensor) -> float:
        return ((rows[:-6] > 0.3) & (rows[6:] > 0.3)).sum().item() / (rows > 0.3).sum().item()

    dry = replace(PLANE, edge=(0.0, 0.0), beads=0.0, filled=0.3)
    many = torch.cat([water(replace(PARAMS, planes=(dry,), seed=s)) for s in range(12)], 1)
    assert persistence(many[115:]) > persistence(many[20:65])


def test_a_splash_is_thrown_up_from_the_floor() -> None:
    nothing = replace(PLANE, filled=0.0, beads=0.0)
    splashes = water(replace(PARAMS, planes=(nothing,), splashes=8.0, floor=0.8))
    rows = splashes.mean(1)
    assert rows[:40].max() == 0
    assert rows[90:].sum() > 0.8 * rows.sum() > 0


def test_near_water_is_wide_and_out_of_focus() -> None:
    sharp, soft = (water(replace(PARAMS, planes=(replace(PLANE, width=14.0, blur=b),))) for b in (0.0, 4.0))
    assert (soft[:, 1:] - soft[:, :-1]).abs().max() < 0.4 * (sharp[:, 1:] - sharp[:, :-1]).abs().max()
    params = [RainWater(nearness=(n, n), planes=(1, 1)).sample(torch.Generator().manual_seed(0)) for n in (1.0, 4.0)]
    assert params[1].planes[0].width > 3 * params[0].planes[0].width
    assert params[1].planes[0].blur > params[0].planes[0].blur == 0


def test_it_goes_to_opaque_sheets() -> None:
    image, rng = torch.full((8, 3, 128, 128), 0.4), torch.Generator().manual_seed(0)
    sheets = RainWater(filled=(3.0, 3.0), opacity=(1.0, 1.0), spacing=(4.0, 4.0), width=(4.0, 4.0), edge=(-1.0, -0.5))
    error = (sheets.apply(image, [sheets.sample(rng) for _ in image]) - image).square().mean((1, 2, 3))
    assert -10 * error.max().log10() < 12
