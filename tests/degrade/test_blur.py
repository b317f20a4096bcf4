import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.blur import (
    DefocusBlur,
    DefocusBlurParams,
    MotionBlur,
    MotionBlurParams,
    defocus_kernels,
    motion_kernels,
)
from pellucid.degrade.camera import to_linear, to_srgb

KINDS = DEGRADATIONS["motion"], DEGRADATIONS["defocus"]
BLURS = [blur for kind in KINDS for blur in (*kind.levels.values(), kind.renderer)]
SHAKE = MotionBlurParams(length=15.0, memory=0.3, jerks=1.0, highlights=1.0, seed=4)
DISC = DefocusBlurParams(radius=5.0, blades=6, roundness=1.0, rotation=0.2, softness=1.0, rim=0.0, highlights=1.0)


def kernels(blur: MotionBlur | DefocusBlur, count: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    if isinstance(blur, MotionBlur):
        return motion_kernels([blur.sample(rng) for _ in range(count)])
    return defocus_kernels([blur.sample(rng) for _ in range(count)])


def moments(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (yx) of a kernel, and its standard deviation along each axis."""
    places = torch.arange(len(kernel)) - len(kernel) // 2
    shares = torch.stack([kernel.sum(1), kernel.sum(0)])
    centre = (shares * places).sum(1)
    return centre, ((shares * places**2).sum(1) - centre**2).sqrt()


@pytest.mark.parametrize("blur", BLURS)
def test_kernels_are_odd_non_negative_centred_and_sum_to_one(blur: MotionBlur | DefocusBlur) -> None:
    drawn = kernels(blur, 30)
    assert drawn.shape[1] == drawn.shape[2]
    assert drawn.shape[1] % 2 == 1
    assert drawn.min() >= 0
    torch.testing.assert_close(drawn.sum((1, 2)), torch.ones(30))
    for kernel in drawn:
        assert moments(kernel)[0].abs().max() < 0.15


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length", [4.0, 15.0, 40.0])
def test_motion_extends_as_far_as_asked(seed: int, length: float) -> None:
    kernel = motion_kernels([replace(SHAKE, length=length, seed=seed)])[0]
    sides = [int(used[-1] - used[0]) for used in (kernel.sum(axis).nonzero() for axis in (0, 1))]
    assert length <= max(sides) + 1 <= length + 3


def test_motion_is_a_connected_path_and_no_blob() -> None:
    for seed in range(5):
        kernel = motion_kernels([replace(SHAKE, length=30.0, jerks=0.0, memory=1.0, seed=seed)])[0]
        assert (kernel > 0).float().mean() < 0.25
        rows = kernel.sum(1).nonzero().flatten()
        assert (rows.diff() == 1).all()


def test_long_memory_is_straighter_than_short() -> None:
    def roundness(memory: float) -> float:
        ratios = []
        for seed in range(40):
            path = (motion_kernels([replace(SHAKE, memory=memory, jerks=0.0, seed=seed)])[0]).nonzero().float()
            spread = torch.linalg.eigvalsh(torch.cov(path.T))
            ratios.append((spread[0] / spread[1]).sqrt())
        return torch.stack(ratios).mean().item()

    assert roundness(3.0) < 0.8 * roundness(0.1)


@pytest.mark.parametrize("radius", [3.0, 5.0, 9.5])
def test_a_disc_has_its_radius(radius: float) -> None:
    kernel = defocus_kernels([replace(DISC, radius=radius)])[0]
    assert 1 / kernel.max() == pytest.approx(math.pi * radius**2, rel=0.05)
    assert moments(kernel)[1].tolist() == pytest.approx([radius / 2] * 2, rel=0.03)


@pytest.mark.parametrize("blades", [5, 6, 8])
def test_a_polygon_has_the_area_of_its_blades_and_turns(blades: int) -> None:
    radius = 20.0
    kernel = defocus_kernels([replace(DISC, radius=radius, blades=blades, roundness=0.0, rotation=0.0)])[0]
    area = blades * radius**2 * math.sin(math.tau / blades) / 2
    assert 1 / kernel.max() == pytest.approx(area, rel=0.02)
    turned, whole = (
        defocus_kernels([replace(DISC, radius=radius, blades=blades, roundness=0.0, rotation=angle)])[0]
        for angle in (math.pi / blades, math.tau / blades)
    )
    assert (turned - kernel).abs().sum() > 0.01
    assert (whole - kernel).abs().max() < 0.01 * kernel.max()


def test_a_rim_is_brighter_than_the_centre() -> None:
    kernel = defocus_kernels([replace(DISC, radius=10.0, rim=0.4)])[0]
    centre = len(kernel) // 2
    assert kernel[centre, centre + 9] > 1.2 * kernel[centre, centre]


@pytest.mark.parametrize("blur", [MotionBlur, DefocusBlur])
def test_scale_multiplies_lengths(blur: type[MotionBlur | DefocusBlur]) -> None:
    small, large = (kernels(blur(scale=scale), 20) for scale in (1.0, 3.0))
    spread = [torch.stack([moments(kernel)[1] for kernel in drawn]).mean() for drawn in (small, large)]
    assert spread[1] == pytest.approx(3 * spread[0].item(), rel=0.1)


def test_blur_is_convolution_of_light_with_mirrored_borders() -> None:
    image = torch.rand(1, 3, 30, 41, generator=torch.Generator().manual_seed(0)) * 0.9
    kernel = motion_kernels([SHAKE])
    margin = kernel.shape[1] // 2
    light = F.pad(to_linear(image), (margin,) * 4, "reflect").transpose(0, 1)
    expected = to_srgb(F.conv2d(light, kernel.flip(1, 2)[:, None])).transpose(0, 1)
    torch.testing.assert_close(MotionBlur().apply(image, [SHAKE]), expected, atol=1e-4, rtol=0)


def test_flat_pictures_stay_and_dark_and_bright_mix_as_light() -> None:
    flat = torch.full((1, 3, 20, 20), 0.5)
    torch.testing.assert_close(DefocusBlur().apply(flat, [DISC]), flat, atol=1e-4, rtol=0)
    stripes = torch.zeros(1, 1, 64, 64)
    stripes[..., ::2] = 0.9
    middle = DefocusBlur().apply(stripes, [DISC])[0, 0, 32, 32]
    assert to_linear(middle) == pytest.approx(to_linear(torch.tensor(0.9)).item() / 2, rel=0.05)


def test_blown_highlights_stay_bright() -> None:
    lamp = torch.zeros(1, 1, 41, 41)
    lamp[..., 19:22, 19:22] = 1
    dull, bright = (DefocusBlur().apply(lamp, [replace(DISC, highlights=h)])[0, 0, 20, 20] for h in (1.0, 4.0))
    assert to_linear(bright) == pytest.approx(4 * to_linear(dull).item(), rel=0.01)


def test_seeds_and_levels_differ() -> None:
    one, other = (motion_kernels([replace(SHAKE, seed=seed)]) for seed in (1, 2))
    assert one.shape != other.shape or not torch.equal(one, other)
    for levels in (kind.levels for kind in KINDS):
        spread = [moments(kernels(blur, 30).mean(0))[1].mean() for blur in levels.values()]
        assert spread[0] < spread[1] < spread[2]
