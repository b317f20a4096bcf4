"""What every degradation promises, asked of all of them."""

from typing import Any

import pytest
import torch

from pellucid.degrade import DEGRADATIONS, Degradation, compose

ALL: dict[str, Degradation] = {
    **{name: kind.renderer for name, kind in DEGRADATIONS.items()},
    **{f"{name}-{level}": preset for name, kind in DEGRADATIONS.items() for level, preset in kind.levels.items()},
    **{f"{name}-{family}": one for name, kind in DEGRADATIONS.items() for family, one in kind.families.items()},
    "several": compose({"rain": {"probability": 0.5}, "gaussian": {"probability": 0.5}, "jpeg": {}}),
}


@pytest.fixture(params=ALL.values(), ids=ALL)
def degradation(request: pytest.FixtureRequest) -> Degradation:
    return request.param


def draw(degradation: Degradation, count: int) -> list[Any]:
    rng = torch.Generator().manual_seed(0)
    return [degradation.sample(rng) for _ in range(count)]


@pytest.mark.parametrize("shape", [(2, 3, 32, 48), (1, 1, 17, 5), (1, 3, 1, 1)])
def test_shape_dtype_and_finiteness_survive(degradation: Degradation, shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    before = image.clone()
    degraded = degradation.apply(image, draw(degradation, shape[0]))
    assert degraded.shape == image.shape
    assert degraded.dtype == image.dtype
    assert degraded.isfinite().all()
    assert torch.equal(image, before)


def test_apply_is_deterministic_and_sample_is_not_constant(degradation: Degradation) -> None:
    image, params = torch.rand(2, 3, 40, 40), draw(degradation, 2)
    assert torch.equal(degradation.apply(image, params), degradation.apply(image, params))
    assert params[0] != params[1]
    assert params == draw(degradation, 2)


def test_an_image_is_degraded_alike_in_any_batch(degradation: Degradation) -> None:
    image, params = torch.rand(3, 3, 40, 40), draw(degradation, 3)
    together = degradation.apply(image, params)
    alone = torch.cat([degradation.apply(image[i : i + 1], params[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
