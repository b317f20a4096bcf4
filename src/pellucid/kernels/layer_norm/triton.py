# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false
"""Layer normalisation of each pixel over its channels in Triton: a program holds whole pixels in registers.

In the backward pass a program goes through many pixels and adds up the gradients of weight and bias itself; the
programs' sums are added afterwards, always in the same order.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from pellucid.kernels.shared.arithmetic import parts

TILE = 4096  # numbers that a program holds of each image
SIZES = ["pixels", "each"]


@triton.jit
def _read(image, start, last, CHANNELS: tl.constexpr, BLOCK: tl.constexpr, WIDTH: tl.constexpr):
    """A block of pixels in float32, (BLOCK, WIDTH), where they are, and whether."""
    pixel, channel = start + tl.arange(0, BLOCK)[:, None], tl.arange(0, WIDTH)[None, :]
    place, there = pixel.to(tl.int64) * CHANNELS + channel, (pixel < last) & (channel < CHANNELS)
    return tl.load(image + place, there, 0.0).to(tl.float32), place, there


@triton.jit
def _normal(x, there, eps, CHANNELS: tl.constexpr):
    """Pixels of mean 0 and variance 1, and 1 / √(variance + eps) of what they were."""
    away = tl.where(there, x - (tl.sum(x, 1) / CHANNELS)[:, None], 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(away * away, 1) / CHANNELS + eps)
    return away * scale[:, None], scale


@triton.jit(do_not_specialize=SIZES)
def _forward(
    image, weights, biases, out, pixels, eps, CHANNELS: tl.constexpr, BLOCK: tl.constexpr, WIDTH: tl.constexpr
):
    channel = tl.arange(0, WIDTH)
    weight = tl.load(weights + channel, channel < CHANNELS, 0.0)
    bias = tl.load(biases + channel, channel < CHANNELS, 0.0)
    x, place, there = _read(image, tl.program_id(0) * BLOCK, pixels, CHANNELS, BLOCK, WIDTH)
    y, _ = _normal(x, there, eps, CHANNELS)
    tl.store(out + place, (y * weight[None, :] + bias[None, :]).to(out.dtype.element_ty), there)


@triton.jit(do_not_specialize=SIZES)
def _backward(
    image,
    weights,
    grads,
    image_grads,
    sums,
    pixels,
    each,
    eps,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    channel = tl.arange(0, WIDTH)
    weight = tl.load(weights + channel, channel < CHANNELS, 0.0)
    weight_sum = tl.zeros((WIDTH,), tl.float32)
    bias_sum = tl.zeros((WIDTH,), tl.float32)
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, pixels)
    for start in range(first, last, BLOCK):
        x, place, there = _read(image, start, last, CHANNELS, BLOCK, WIDTH)
        up, _, _ = _read(grads, start, last, CHANNELS, BLOCK, WIDTH)
        y, scale = _normal(x, there, eps, CHANNELS)
        weight_sum += tl.sum(up * y, 0)
        bias_sum += tl.sum(up, 0)
        g = up * weight[None, :]
        plain, along = tl.sum(g, 1) / CHANNELS, tl.sum(g * y, 1) / CHANNELS
        grad = (g - plain[:, None] - y * along[:, None]) * scale[:, None]
        tl.store(image_grads + place, grad.to(image_grads.dtype.element_ty), there)
    to = sums + tl.program_id(0) * 2 * CHANNELS + channel
    tl.store(to, weight_sum, channel < CHANNELS)
    tl.store(to + CHANNELS, bias_sum, channel < CHANNELS)


def forward(pixels: int, channels: int, eps: float, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> None:
    size, constants = _cut(channels)
    _forward[(triton.cdiv(pixels, size),)](x, weight, bias, out, pixels, eps, **constants)


def backward(
    pixels: int,
    channels: int,
    eps: float,
    x: Tensor,
    weight: Tensor,
    grad: Tensor,
    grad_x: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
) -> None:
    size, constants = _cut(channels)
    each = triton.cdiv(triton.cdiv(pixels, size), parts(x, triton.cdiv(pixels, size), 1, 8)) * size
    sums = weight.new_empty(triton.cdiv(pixels, each), 2, channels)
    _backward[(len(sums),)](x, weight, grad, grad_x, sums, pixels, each, eps, **constants)
    grad_weight.copy_(sums[:, 0].sum(0))
    grad_bias.copy_(sums[:, 1].sum(0))


def trial(dtype: torch.dtype, device: torch.device) -> None:
    """Both directions once."""
    x = torch.zeros(1, 1, 64, 64, dtype=dtype, device=device).permute(0, 3, 1, 2)
    weight = torch.ones(64, device=device)
    forward(64, 64, 1.0, x, weight, weight, torch.empty_like(x))
    backward(64, 64, 1.0, x, weight, x, *(torch.empty_like(y) for y in (x, weight, weight)))


def _cut(channels: int) -> tuple[int, dict[str, int]]:
    """Pixels in a block, and what the kernels are compiled for."""
    width = triton.next_power_of_2(channels)
    size = max(1, min(TILE // width, 64))
    return size, {"CHANNELS": channels, "BLOCK": size, "WIDTH": width, "num_warps": 4 if size * width > 1024 else 1}
