import math
from dataclasses import replace

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pellucid.degrade.motion import (
    Jerk,
    JerkParams,
    Straight,
    StraightParams,
    ZoomRotate,
    ZoomRotateParams,
    jerk_kernels,
)

TURN = ZoomRotateParams(reach=12.0, turn=1.0, centre=(0.5, 0.5), highlights=1.0)


def noise(side: int = 96) -> Tensor:
    return torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(3))


def smear(seen: Tensor) -> tuple[float, float, float]:
    """Standard deviations of (1, 1, H, W) along x and y, and their covariance."""
    light = seen[0, 0].double()
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in light.shape), indexing="ij")
    y, x = (each - (light * each).sum() / light.sum() for each in (y, x))
    xx, yy, xy = ((light * product).sum().item() / light.sum().item() for product in (x * x, y * y, x * y))
    return math.sqrt(xx), math.sqrt(yy), xy


@pytest.mark.parametrize("angle", [0.0, 0.6, 2.0])
def test_a_straight_motion_is_a_line_of_its_length_and_angle(angle: float) -> None:
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1
    x, y, xy = smear(Straight().apply(point, [StraightParams(length=24.0, angle=angle, fade=0.0)]))
    assert math.hypot(x, y) == pytest.approx(24 / math.sqrt(12), rel=0.05)
    assert math.atan2(2 * xy, x * x - y * y) == pytest.approx(math.remainder(2 * angle, math.tau), abs=0.05)


def test_a_fading_line_is_brighter_at_one_end() -> None:
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1
    line = Straight().apply(point, [StraightParams(length=24.0, angle=0.0, fade=0.9)])[0, 0, 32]
    assert line[42] > 3 * line[22]


def test_a_knock_makes_double_images() -> None:
    knock = JerkParams(
        stops=((0.0, 0.0), (12.0, 5.0)), dwell=(1.0, 1.0), drift=0.0, angle=0.0, travel=0.0, highlights=1.0
    )
    kernel = jerk_kernels([knock])[0]
    peaks, count = ndimage.label((kernel > 0.1).numpy())
    assert count == 2
    first, second = ndimage.center_of_mass(kernel.numpy(), peaks, [1, 2])
    assert [abs(a - b) for a, b in zip(first, second, strict=True)] == pytest.approx([5, 12], abs=0.5)


def test_knocks_keep_the_light_and_the_middle() -> None:
    rng = torch.Generator().manual_seed(0)
    kernels = jerk_kernels([Jerk().sample(rng) for _ in range(30)])
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(30))
    places = torch.arange(kernels.shape[1]) - kernels.shape[1] // 2
    assert (kernels.sum(1) * places).sum(1).abs().max() < 0.05
    assert (kernels.sum(2) * places).sum(1).abs().max() < 0.05


@pytest.mark.parametrize(("turn", "along"), [(1.0, "y"), (0.0, "x")])
def test_a_turn_smears_around_the_centre_and_a_zoom_away_from_it(turn: float, along: str) -> None:
    point = torch.zeros(1, 1, 97, 97)
    point[..., 48, 84] = 1
    x, y, _ = smear(ZoomRotate().apply(point, [replace(TURN, turn=turn)]))
    assert (y > 2 * x) == (along == "y")
    assert (x > 2 * y) == (along == "x")


def test_the_centre_of_a_turn_stays_sharp() -> None:
    change = (ZoomRotate().apply(noise(), [TURN]) - noise()).abs().mean((0, 1))
    assert change[46:50, 46:50].mean() < 0.3 * change[:10, :10].mean()
