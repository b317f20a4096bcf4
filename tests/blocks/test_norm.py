"""Both normalisations against their formulas."""

import pytest
import torch

from pellucid.blocks.norm import BiasFreeLayerNorm, LayerNorm


@pytest.fixture
def x():
    return 5 + 3 * torch.randn(2, 7, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_layer_norm(randomise, x):
    norm = randomise(LayerNorm(7)).double()
    variance = ((x - x.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True)
    expected = (x - x.mean(1, keepdim=True)) / (variance + 1e-5).sqrt()
    expected = expected * norm.weight.view(1, 7, 1, 1) + norm.bias.view(1, 7, 1, 1)
    torch.testing.assert_close(norm(x), expected)


def test_bias_free_norm_keeps_the_mean_in_the_numerator(randomise, x):
    norm = randomise(BiasFreeLayerNorm(7)).double()
    variance = ((x - x.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True)
    torch.testing.assert_close(norm(x), x / (variance + 1e-5).sqrt() * norm.weight.view(1, 7, 1, 1))


def test_a_flat_pixel_meets_epsilon_alone():
    flat = torch.full((1, 4, 2, 2), 0.5)
    assert torch.equal(LayerNorm(4)(flat), torch.zeros_like(flat))
    torch.testing.assert_close(BiasFreeLayerNorm(4)(flat), flat * 1e-5**-0.5)


@pytest.mark.parametrize("norm", [LayerNorm, BiasFreeLayerNorm])
def test_norms_start_at_one_and_zero_and_keep_the_memory_format(norm, x):
    fresh = norm(7)
    assert fresh.weight.tolist() == [1] * 7
    if norm is LayerNorm:
        assert fresh.bias.tolist() == [0] * 7
    out = fresh.double()(x.contiguous(memory_format=torch.channels_last))
    assert out.is_contiguous(memory_format=torch.channels_last)
