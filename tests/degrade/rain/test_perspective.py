from dataclasses import replace

import torch
from torch import Tensor

from pellucid.degrade import DEGRADATIONS, create_degradation
from pellucid.degrade.families import Families
from pellucid.degrade.rain import RainPerspective
from pellucid.degrade.rain.perspective import PerspectiveParams, SpaceLayer

NEAR, FAR = (SpaceLayer(depth=d, density=n, blur=0.0, fog=0.0) for d, n in ((1.0, 800.0), (4.0, 3000.0)))
PARAMS = PerspectiveParams(
    layers=(NEAR,), radius=0.003, fall=0.1, wind=0.0, pitch=0.0, focal=600.0, alpha=1.0, sky=1.0, seed=1
)


def rain(params: PerspectiveParams) -> Tensor:
    return RainPerspective().apply(torch.zeros(1, 1, 200, 200), [params])[0, 0]


def runs(streaks: Tensor) -> float:
    """Mean length in pixels of the vertical runs of rain."""
    wet = streaks > 0.1
    begins = wet[1:] & ~wet[:-1]
    return wet.sum().item() / max(begins.sum().item(), 1)


def test_nearer_streaks_are_longer_and_wider() -> None:
    near, far = rain(PARAMS), rain(replace(PARAMS, layers=(FAR,)))
    assert runs(near) > 1.5 * runs(far)
    assert runs(near.T) > 1.5 * runs(far.T)


def test_streaks_spread_from_a_point_above_where_the_camera_looks_up() -> None:
    def lean(streaks: Tensor) -> float:
        """Of streaks, by the gradient: positive where they fall towards the right."""
        down, right = torch.gradient(streaks)
        return -((down * right).sum() / (right**2).sum()).item()

    up = rain(replace(PARAMS, pitch=1.0, focal=300.0, layers=(replace(NEAR, density=3000.0),)))
    assert lean(up[:, :80]) < -0.05
    assert lean(up[:, 120:]) > 0.05


def test_a_thin_streak_is_continuous_and_faint() -> None:
    thin = rain(replace(PARAMS, radius=0.0004, wind=0.4, layers=(replace(NEAR, density=60.0),)))
    rows = thin.amax(1)
    wet = rows[rows > rows.max() / 4]
    assert len(wet) > 20
    assert rows.max() < 0.8


def test_it_goes_from_drizzle_to_a_downpour() -> None:
    image, rng = torch.full((8, 3, 96, 96), 0.4), torch.Generator().manual_seed(0)
    densest = RainPerspective(density=(1500.0, 1500.0), radius=(0.006, 0.006), alpha=(1.0, 1.0))
    dense, light = densest, RainPerspective(density=(15.0, 15.0), mist=(0.0, 0.0))
    errors = [(d.apply(image, [d.sample(rng) for _ in image]) - image).square().mean((1, 2, 3)) for d in (dense, light)]
    assert -10 * errors[0].max().log10() < 16
    assert -10 * errors[1].median().log10() > 25


def test_no_network_is_trained_on_it() -> None:
    assert DEGRADATIONS["rain"].unseen == "perspective"
    trained_on = create_degradation("rain", family="any")
    assert isinstance(trained_on, Families)
    assert "perspective" not in trained_on.members
    assert {"rain", "lines", "grains", "water"} == set(trained_on.members)
