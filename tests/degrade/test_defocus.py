from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pellucid.degrade.blur import DefocusBlurParams, blur_light, defocus_kernels
from pellucid.degrade.defocus import Polygon, PolygonParams, Ring, RingParams, SoftFocus, ring_kernels

LENS = DefocusBlurParams(radius=8.0, blades=6, roundness=0.2, rotation=0.3, softness=1.0, rim=0.0, highlights=1.0)
WHOLE = PolygonParams(lens=LENS, vignetting=0.0, place=(-1.0, -1.0, 1.0, 1.0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(side: int = 96) -> Tensor:
    return torch.rand((1, 3, side, side), generator=rng(3))


def spread(seen: Tensor) -> tuple[float, float]:
    """Standard deviations of the light of a point along both diagonals of (1, 1, H, W): downwards, upwards."""
    light = seen[0, 0].double() ** 2.2
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in light.shape), indexing="ij")
    deviations: list[float] = []
    for along in ((x + y) / 2**0.5, (x - y) / 2**0.5):
        mean = (light * along).sum() / light.sum()
        deviations.append(((light * (along - mean) ** 2).sum() / light.sum()).sqrt().item())
    return deviations[0], deviations[1]


def test_an_aperture_without_barrel_is_one_kernel_everywhere() -> None:
    expected = blur_light(noise(), defocus_kernels([LENS]), [1.0])
    torch.testing.assert_close(Polygon().apply(noise(), [WHOLE]), expected, atol=1e-4, rtol=0)


def test_the_barrel_makes_cat_eyes_in_the_corners_and_none_in_the_middle() -> None:
    shapes: list[tuple[float, float]] = []
    for place in (64, 12):
        point = torch.zeros(1, 1, 129, 129)
        point[..., place, place] = 1
        shapes.append(spread(Polygon().apply(point, [replace(WHOLE, vignetting=1.0)])))
    (middle_down, middle_up), (corner_down, corner_up) = shapes
    assert middle_down == pytest.approx(middle_up, rel=0.1)
    assert corner_down < 0.75 * corner_up  # narrow along the way to the middle


def test_soft_focus_is_gaussian_with_a_halo_twice_as_wide() -> None:
    params = replace(SoftFocus().sample(rng()), sigma=2.0, halo=0.25)
    expected = sum(
        share * ndimage.gaussian_filter(noise()[0, 0].double().numpy(), sigma, mode="nearest", radius=int(3 * sigma))
        for share, sigma in ((0.75, 2.0), (0.25, 4.0))
    )
    np.testing.assert_allclose(SoftFocus().apply(noise(), [params])[0, 0].numpy(), expected, atol=1e-5)


def test_a_mirror_lens_makes_rings() -> None:
    ring = RingParams(radius=8.0, hole=0.6, coma=0.0, rotation=0.0, softness=1.0, highlights=1.0)
    kernels = ring_kernels([ring, replace(ring, coma=0.5), *(Ring().sample(rng(seed)) for seed in range(20))])
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(22))
    assert kernels.min() >= 0
    across = kernels[0, kernels.shape[1] // 2]
    middle = len(across) // 2
    assert across[middle - 3 : middle + 4].max() == 0
    assert across[middle + 6] > 0
    assert torch.equal(across, across.flip(0))
    assert kernels[1, :, middle + 1 :].sum() > 1.2 * kernels[1, :, :middle].sum()
