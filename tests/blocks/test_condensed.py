"""Condensed attention against a slow definition, on any size."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.blocks.condensed import CondensedAttention


def linear(x: Tensor, layer) -> Tensor:
    return torch.einsum("oc,c...->o...", layer.weight[:, :, 0, 0], x) + layer.bias[:, None, None]


def unit(x: Tensor) -> Tensor:
    return x / x.square().sum(-1, keepdim=True).sqrt()


def naive_condensed_attention(m: CondensedAttention, image: Tensor) -> Tensor:
    """One image (C, H, W) whose sides the stride divides."""
    dim, height, width = image.shape
    stride, heads, channels = m.stride, m.heads, dim // m.heads
    squeezed = linear(image, m.squeeze)
    rows, columns = height // stride, width // stride
    x = torch.empty(4 * len(squeezed), rows, columns, dtype=image.dtype)
    for out in range(len(x)):
        for i in range(rows):
            for j in range(columns):
                patch = squeezed[out // 4, i * stride : (i + 1) * stride, j * stride : (j + 1) * stride]
                x[out, i, j] = (patch * m.condense.weight[out, 0]).sum() + m.condense.bias[out]

    for qkv, temperature, across_channels in (
        (m.channel_qkv, m.channel_temperature, True),
        (m.spatial_qkv, m.spatial_temperature, False),
    ):
        q, k, v = (t.reshape(dim, rows * columns) for t in linear(x, qkv).split(dim))
        attended = []
        for head in range(heads):
            qh, kh, vh = (t[head * channels : (head + 1) * channels] for t in (q, k, v))
            if not across_channels:
                qh, kh, vh = qh.T, kh.T, vh.T
            out = (unit(qh) @ unit(kh).T * temperature[head]).softmax(-1) @ vh
            attended.append(out if across_channels else out.T)
        x = torch.cat(attended).reshape(dim, rows, columns)

    x = linear(x, m.expand)
    spread = torch.empty(len(squeezed), height, width, dtype=image.dtype)
    for i in range(stride):
        for j in range(stride):
            spread[:, i::stride, j::stride] = x[i * stride + j :: stride**2]
    return linear(spread, m.project)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("heads", [1, 2])
def test_condensed_attention_follows_its_definition(randomise, stride, heads):
    block = randomise(CondensedAttention(8, heads, stride=stride)).double()
    x = torch.randn(2, 8, 8, 12, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([naive_condensed_attention(block, image) for image in x])
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2, 16])
@pytest.mark.parametrize("size", [(1, 1), (5, 33)])
def test_condensed_attention_takes_any_size(randomise, stride, size):
    block = randomise(CondensedAttention(8, 2, stride=stride))
    with torch.no_grad():
        out = block(torch.randn(1, 8, *size))
    assert out.shape == (1, 8, *size)
    assert out.isfinite().all()


def test_cut_strides_are_filled_by_reflection(randomise):
    block = randomise(CondensedAttention(8, 2, stride=4)).double()
    x = torch.randn(1, 8, 6, 9, dtype=torch.float64)
    with torch.no_grad():
        expected = block(F.pad(x, (0, 3, 0, 2), mode="reflect"))[..., :6, :9]
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-12)
