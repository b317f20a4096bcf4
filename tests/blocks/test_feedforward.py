"""The feed-forward networks against definitions written out without convolutions."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.blocks.feedforward import DFN, FFN, FRFN, GDFN, GroupedFRFN, LeFF


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def linear(x: Tensor, layer) -> Tensor:
    out = torch.einsum("oc,bcyx->boyx", layer.weight[:, :, 0, 0], x)
    return out if layer.bias is None else out + layer.bias[:, None, None]


def neighbours(x: Tensor) -> Tensor:
    """The 3×3 pixels around each, zero outside: (B, C, 3, 3, H, W)."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (1, 1, 1, 1))
    rows = [torch.stack([padded[..., i : i + height, j : j + width] for j in range(3)], 2) for i in range(3)]
    return torch.stack(rows, 2)


def depthwise(x: Tensor, layer) -> Tensor:
    out = torch.einsum("cij,bcijyx->bcyx", layer.weight[:, 0], neighbours(x))
    return out if layer.bias is None else out + layer.bias[:, None, None]


def ffn(m, x):
    return linear(gelu(linear(x, m.fc1)), m.fc2)


def leff(m, x):
    return linear(gelu(depthwise(gelu(linear(x, m.expand)), m.depthwise)), m.project)


def dfn(m, x):
    return linear(gelu(depthwise(linear(x, m.expand), m.depthwise)), m.project)


def gdfn(m, x):
    first, second = depthwise(linear(x, m.expand), m.depthwise).chunk(2, 1)
    return linear(gelu(first) * second, m.project)


def frfn(m, x):
    quarter = x.shape[1] // 4
    refined = torch.einsum("ocij,bcijyx->boyx", m.partial.weight, neighbours(x[:, :quarter]))
    a, b = gelu(linear(torch.cat([refined, x[:, quarter:]], 1), m.expand)).chunk(2, 1)
    return linear(gelu(depthwise(a, m.depthwise)) * b, m.project)


def grouped_frfn(m, x):
    dim = x.shape[1]
    refined = x.clone()
    for group in range(12):
        for channel in range(dim // 24):
            place = group * (dim // 12) + channel
            kernel = m.partial.weight[channel, 0]
            refined[:, place] = torch.einsum("ij,bijyx->byx", kernel, neighbours(x[:, place, None])[:, 0])
    a, b = linear(refined, m.expand).chunk(2, 1)
    return linear(depthwise(a, m.depthwise) * b, m.project)


CASES = [
    pytest.param(make, definition, dim, id=f"{make.__name__}-{dim}")
    for make, definition, dims in [
        (FFN, ffn, (5,)),
        (LeFF, leff, (5,)),
        (DFN, dfn, (5,)),
        (GDFN, gdfn, (5,)),
        (FRFN, frfn, (4, 6, 11)),
        (GroupedFRFN, grouped_frfn, (24, 72)),
    ]
    for dim in dims
]


def assert_follows(block, definition, x):
    with torch.no_grad():
        torch.testing.assert_close(block(x), definition(block, x), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("make", "definition", "dim"), CASES)
@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_feedforward_follows_its_definition(randomise, make, definition, dim, size):
    block = randomise(make(dim, 7)).double()
    assert_follows(block, definition, torch.randn(2, dim, *size, dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "definition", "dim"), [(DFN, dfn, 5), (GDFN, gdfn, 5), (GroupedFRFN, grouped_frfn, 24)]
)
def test_bias_switches_every_bias_but_the_partial_convolution(randomise, make, definition, dim):
    biased = {name for name, _ in make(dim, 7, bias=True).named_parameters() if name.endswith("bias")}
    assert biased == {"expand.bias", "depthwise.bias", "project.bias"}
    assert not any(name.endswith("bias") for name, _ in make(dim, 7).named_parameters())
    block = randomise(make(dim, 7, bias=True)).double()
    assert_follows(block, definition, torch.randn(2, dim, 4, 3, dtype=torch.float64))


def test_feature_refinement_without_one_of_its_convolutions(randomise):
    x = torch.randn(2, 8, 4, 3, dtype=torch.float64)

    def without_partial(m, x):
        a, b = gelu(linear(x, m.expand)).chunk(2, 1)
        return linear(gelu(depthwise(a, m.depthwise)) * b, m.project)

    def without_depthwise(m, x):
        refined = torch.einsum("ocij,bcijyx->boyx", m.partial.weight, neighbours(x[:, :2]))
        a, b = gelu(linear(torch.cat([refined, x[:, 2:]], 1), m.expand)).chunk(2, 1)
        return linear(gelu(a) * b, m.project)

    assert_follows(randomise(FRFN(8, 7, partial=False)).double(), without_partial, x)
    assert_follows(randomise(FRFN(8, 7, depthwise=False)).double(), without_depthwise, x)


def test_groups_share_one_small_filter():
    assert GroupedFRFN(72, 7).partial.weight.shape == (3, 1, 3, 3)
    assert GroupedFRFN(72, 7, bias=True).partial.bias is None
