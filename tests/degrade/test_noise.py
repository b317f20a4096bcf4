import pytest
import torch

from pellucid.degrade import GaussianNoise, GaussianNoiseParams


def test_noise_has_the_strength_asked_for_image_by_image() -> None:
    image = torch.full((3, 3, 200, 200), 0.5)
    noisy = GaussianNoise().apply(image, GaussianNoiseParams(sigma=(0.0, 10.0, 50.0), seed=1))
    measured = (noisy - image).std(dim=(1, 2, 3)) * 255
    torch.testing.assert_close(measured, torch.tensor([0.0, 10.0, 50.0]), rtol=0.02, atol=1e-4)
    assert (noisy - image).mean().abs() < 1e-3


def test_noise_is_not_clipped() -> None:
    noisy = GaussianNoise().apply(torch.zeros(1, 3, 64, 64), GaussianNoiseParams(sigma=(25.0,), seed=0))
    assert noisy.min() < -0.2


def test_apply_is_deterministic_and_sample_is_not_constant() -> None:
    noise, image = GaussianNoise(low=5, high=50), torch.rand(2, 3, 16, 16)
    rng = torch.Generator().manual_seed(0)
    first, second = noise.sample(rng, 2), noise.sample(rng, 2)
    torch.testing.assert_close(noise.apply(image, first), noise.apply(image, first), rtol=0, atol=0)
    assert first != second
    assert first.sigma[0] != first.sigma[1]


@pytest.mark.parametrize(("low", "high"), [(0, 50), (15, 15)])
def test_strengths_fill_their_range(low: float, high: float) -> None:
    sigma = torch.tensor(GaussianNoise(low=low, high=high).sample(torch.Generator().manual_seed(0), 5000).sigma)
    assert low <= sigma.min() <= low + 0.1
    assert high - 0.1 <= sigma.max() <= high
    assert sigma.mean() == pytest.approx((low + high) / 2, abs=1)
