import pytest
import torch

from pellucid.degrade import GaussianNoise, GaussianNoiseParams


def test_noise_has_the_strength_asked_for_image_by_image() -> None:
    image = torch.full((3, 3, 200, 200), 0.5)
    params = [GaussianNoiseParams(sigma=sigma, seed=1) for sigma in (0.0, 10.0, 50.0)]
    noisy = GaussianNoise().apply(image, params)
    measured = (noisy - image).std(dim=(1, 2, 3)) * 255
    torch.testing.assert_close(measured, torch.tensor([0.0, 10.0, 50.0]), rtol=0.02, atol=1e-4)
    assert (noisy - image).mean().abs() < 1e-3


def test_noise_is_not_clipped() -> None:
    noisy = GaussianNoise().apply(torch.zeros(1, 3, 64, 64), [GaussianNoiseParams(sigma=25.0, seed=0)])
    assert noisy.min() < -0.2


@pytest.mark.parametrize(("low", "high"), [(0, 50), (15, 15)])
def test_strengths_fill_their_range(low: float, high: float) -> None:
    rng = torch.Generator().manual_seed(0)
    sigma = torch.tensor([GaussianNoise(low=low, high=high).sample(rng).sigma for _ in range(5000)])
    assert low <= sigma.min() <= low + 0.1
    assert high - 0.1 <= sigma.max() <= high
    assert sigma.mean() == pytest.approx((low + high) / 2, abs=1)
