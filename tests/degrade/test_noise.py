import pytest
import torch

from pellucid.degrade.noise import GaussianNoise, GaussianNoiseParams


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


def test_grey_noise_is_the_same_in_all_channels_and_as_strong() -> None:
    params = [GaussianNoiseParams(sigma=25.0, seed=0, grey=grey) for grey in (True, False)]
    noise = GaussianNoise().apply(torch.full((2, 3, 100, 100), 0.5), params) - 0.5
    assert torch.equal(noise[0, 0], noise[0, 1])
    assert torch.equal(noise[0, 0], noise[0, 2])
    assert not torch.equal(noise[1, 0], noise[1, 1])
    torch.testing.assert_close(noise.std(dim=(1, 2, 3)) * 255, torch.tensor([25.0, 25.0]), rtol=0.02, atol=0)


def test_grey_noise_is_as_frequent_as_asked_for_and_changes_nothing_else() -> None:
    grey, colour = (GaussianNoise(grey=share) for share in (0.3, 0.0))
    rngs = [torch.Generator().manual_seed(seed) for seed in range(2000)]
    drawn = [grey.sample(rng) for rng in rngs]
    assert sum(p.grey for p in drawn) / len(drawn) == pytest.approx(0.3, abs=0.03)
    for rng, params in zip(rngs, drawn, strict=True):
        plain = colour.sample(rng.manual_seed(rng.initial_seed()))
        assert (plain.sigma, plain.seed, plain.grey) == (params.sigma, params.seed, False)


@pytest.mark.parametrize(("low", "high"), [(0, 50), (15, 15)])
def test_strengths_fill_their_range(low: float, high: float) -> None:
    rng = torch.Generator().manual_seed(0)
    sigma = torch.tensor([GaussianNoise(low=low, high=high).sample(rng).sigma for _ in range(5000)])
    assert low <= sigma.min() <= low + 0.1
    assert high - 0.1 <= sigma.max() <= high
    assert sigma.mean() == pytest.approx((low + high) / 2, abs=1)
