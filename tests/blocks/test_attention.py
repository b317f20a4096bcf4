"""Window and transposed attention against slow definitions, and what lies outside the image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pellucid.blocks import attention
from pellucid.blocks.attention import TransposedAttention, WindowAttention
from pellucid.blocks.weighting import AdaptiveSparse, Modulated, Softmax

DIM = 6


def weigh(weighting, logits: Tensor) -> Tensor:
    dense = logits.softmax(-1)
    if isinstance(weighting, Softmax):
        return dense
    w_dense, w_sparse = weighting.balance.exp() / weighting.balance.exp().sum()
    return w_dense * dense + w_sparse * logits.clamp(min=0) ** 2


def region(position: int, size: int, window: int, shift: int) -> int:
    """Swin's slices of one axis: up to the last window, up to the shift, and the rest."""
    if not shift or position < size - window:
        return 0
    return 1 if position < size - shift else 2


def window_tokens(top: int, left: int, block: WindowAttention, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """The real tokens of one window of the rolled grid: (y, x) in the image, then (y, x) in the grid."""
    (height, width), w = size, block.window
    rows, columns = -(-height // w) * w, -(-width // w) * w
    grid = [(gy, gx) for gy in range(top, top + w) for gx in range(left, left + w)]
    tokens = [((gy + block.shift) % rows, (gx + block.shift) % columns, gy, gx) for gy, gx in grid]
    return [token for token in tokens if token[0] < height and token[1] < width]


def naive_window_attention(block: WindowAttention, image: Tensor) -> Tensor:
    """The definition for one image (C, H, W); a token outside it is never even computed."""
    (dim, height, width), w, shift = image.shape, block.window, block.shift
    rows, columns = -(-height // w) * w, -(-width // w) * w
    channels = dim // block.heads
    pixels = image.permute(1, 2, 0)
    q = pixels @ block.query.weight[:, :, 0, 0].T + block.query.bias
    k, v = (pixels @ block.key_value.weight[:, :, 0, 0].T + block.key_value.bias).split(dim, dim=-1)

    out = torch.zeros_like(pixels)
    for top in range(0, rows, w):
        for left in range(0, columns, w):
            tokens = window_tokens(top, left, block, (height, width))
            at = [y for y, *_ in tokens], [x for _, x, *_ in tokens]
            places = [(gy, gx) for *_, gy, gx in tokens]
            table_rows = [[(qy - ky + w - 1) * (2 * w - 1) + qx - kx + w - 1 for ky, kx in places] for qy, qx in places]
            regions = [(region(gy, rows, w, shift), region(gx, columns, w, shift)) for gy, gx in places]
            mask = torch.tensor([[0.0 if a == b else -100.0 for b in regions] for a in regions])
            for head in range(block.heads):
                here = (*at, slice(head * channels, (head + 1) * channels))
                logits = q[here] * channels**-0.5 @ k[here].T + block.bias_table[torch.tensor(table_rows), head] + mask
                out[here] = weigh(block.weighting, logits) @ v[here]
    out = out @ block.project.weight[:, :, 0, 0].T + block.project.bias
    return out.permute(2, 0, 1)


def assert_follows_definition(block: WindowAttention, height: int, width: int) -> None:
    x = torch.randn(2, DIM, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        out = block.double()(x)
        expected = torch.stack([naive_window_attention(block, image) for image in x])
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("weighting", [Softmax, AdaptiveSparse])
@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("size", [(8, 8), (16, 24), (5, 11), (17, 9), (7, 30), (1, 1), (12, 20), (1, 17)])
def test_window_attention_follows_its_definition(randomise, weighting, shift, size):
    block = randomise(WindowAttention(DIM, 2, weighting(), window=8, shift=shift))
    assert_follows_definition(block, *size)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 15), st.integers(1, 15)),
    window=st.integers(1, 7),
    shifted=st.booleans(),
    heads=st.sampled_from([1, 2, 3, 6]),
)
def test_window_attention_follows_its_definition_for_any_window(randomise, size, window, shifted, heads):
    shift = window // 2 if shifted else 0
    block = randomise(WindowAttention(DIM, heads, AdaptiveSparse(), window=window, shift=shift))
    assert_follows_definition(block, *size)


@pytest.mark.parametrize("weighting", [Softmax, AdaptiveSparse])
def test_regions_are_separated_by_minus_100_not_by_infinity(randomise, weighting):
    block = randomise(WindowAttention(DIM, 2, weighting(), window=8, shift=4))
    with torch.no_grad():
        block.bias_table *= 200  # some pairs across regions outweigh the mask
    assert_follows_definition(block, 16, 13)


@pytest.mark.parametrize("weighting", [Softmax, AdaptiveSparse])
@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("size", [(5, 11), (17, 9), (1, 1), (8, 9)])
def test_nothing_outside_the_image_is_seen(randomise, monkeypatch, weighting, shift, size):
    block = randomise(WindowAttention(DIM, 3, weighting(), window=8, shift=shift)).double()
    x = torch.randn(1, DIM, *size, dtype=torch.float64)

    def extend_with_noise(x: Tensor, window: int) -> Tensor:
        inside = F.pad(torch.ones_like(x), (0, -x.shape[-1] % window, 0, -x.shape[-2] % window))
        extended = 50 * torch.randn_like(inside)
        extended[..., : x.shape[-2], : x.shape[-1]] = x
        return extended

    with torch.no_grad():
        expected = block(x)
        monkeypatch.setattr(attention, "pad_to_windows", extend_with_noise)
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shift", [0, 4])
def test_gradients_of_windows_cut_by_the_border_are_finite(randomise, shift):
    block = randomise(WindowAttention(DIM, 2, AdaptiveSparse(), window=8, shift=shift))
    x = torch.randn(1, DIM, 9, 3, requires_grad=True)
    block(x).square().sum().backward()
    for name, tensor in [("x", x), *block.named_parameters()]:
        assert tensor.grad.isfinite().all(), name
        assert tensor.grad.any(), name


def test_windows_do_not_see_each_other(randomise):
    block = randomise(WindowAttention(DIM, 2, AdaptiveSparse(), window=4))
    x = torch.randn(1, DIM, 8, 8)
    other = x.clone()
    other[..., 4:, 4:] += 1
    with torch.no_grad():
        changed = (block(x) != block(other)).any(1)[0]
    assert changed[4:, 4:].all()
    assert changed.sum() == 16


@pytest.mark.parametrize("shift", [0, 4])
def test_attention_trains_on_sizes_first_met_in_inference_mode(shift):
    block = WindowAttention(DIM, 2, Softmax(), window=8, shift=shift)
    x = torch.randn(1, DIM, 11, 21)
    with torch.inference_mode():
        block(x)
    block(x).sum().backward()
    assert block.query.weight.grad is not None


def naive_depthwise(x: Tensor, conv) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1))
    height, width = x.shape[-2:]
    out = sum(
        conv.weight[:, 0, i, j, None, None] * padded[..., i : i + height, j : j + width]
        for i in range(3)
        for j in range(3)
    )
    return out if conv.bias is None else out + conv.bias[:, None, None]


def naive_pointwise(x: Tensor, conv) -> Tensor:
    out = torch.einsum("oc,bcyx->boyx", conv.weight[:, :, 0, 0], x)
    return out if conv.bias is None else out + conv.bias[:, None, None]


def naive_transposed_attention(block: TransposedAttention, x: Tensor, weigh) -> Tensor:
    batch, dim, height, width = x.shape
    channels = dim // block.heads
    q, k, v = naive_depthwise(naive_pointwise(x, block.qkv), block.qkv_depthwise).split(dim, dim=1)
    out = torch.empty_like(x)
    for image in range(batch):
        for head in range(block.heads):
            part = slice(head * channels, (head + 1) * channels)
            qh, kh, vh = (t[image, part].reshape(channels, height * width) for t in (q, k, v))
            qh = qh / qh.square().sum(1, keepdim=True).sqrt()
            kh = kh / kh.square().sum(1, keepdim=True).sqrt()
            weights = weigh(qh @ kh.T * block.temperature[head])
            out[image, part] = (weights @ vh).reshape(channels, height, width)
    return naive_pointwise(out, block.project)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (5, 7)])
def test_transposed_attention_follows_its_definition(randomise, bias, heads, size):
    block = randomise(TransposedAttention(DIM, heads, Softmax(), bias=bias)).double()
    x = torch.randn(2, DIM, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = naive_transposed_attention(block, x, lambda logits: logits.softmax(-1))
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-10)


def test_transposed_attention_weighs_as_it_is_told(randomise):
    weighting = Modulated(DIM // 2)
    block = randomise(TransposedAttention(DIM, 2, weighting)).double()
    x = torch.randn(2, DIM, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block(x), naive_transposed_attention(block, x, weighting), rtol=0, atol=1e-10)


def test_transposed_attention_of_black_is_zero_not_nan():
    block = TransposedAttention(DIM, 2, Softmax())
    assert torch.equal(block(torch.zeros(1, DIM, 4, 4)), torch.zeros(1, DIM, 4, 4))
