# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false
"""Attention between channels (MDTA, Restormer §3.1) in two passes of Triton over the pixels.

One reads q and k and adds up their products and squared lengths; what follows, of c × c numbers a head, is PyTorch's,
so that any weighting can stand there; the other reads v. Programs of the first share out the pixels; their sums are
added afterwards, always in the same order. Nothing is copied: tensors may be some of the channels of a larger one.
"""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from pellucid.kernels.channel_attention.op import SHORTEST, WIDEST_ON_GPU
from pellucid.kernels.shared.arithmetic import block, parts, product

PIXELS = 64  # of a block: as many rows as Hopper's matrix products take
SIZES = ["pixels", "each"]


@triton.jit
def _tile(start, last, first, STRIDE: tl.constexpr, DIM: tl.constexpr, BLOCK: tl.constexpr, WIDTH: tl.constexpr):
    """Where DIM channels from the first on of a block of pixels are, (BLOCK, WIDTH), and whether they are."""
    pixel, channel = start + tl.arange(0, BLOCK)[:, None], tl.arange(0, WIDTH)[None, :]
    return pixel * STRIDE + first + channel, (pixel < last) & (channel < DIM)


@triton.jit
def _square(DIM: tl.constexpr, WIDTH: tl.constexpr):
    """Where the numbers of a (DIM, DIM) matrix are, (WIDTH, WIDTH), and whether they are."""
    row, column = tl.arange(0, WIDTH)[:, None], tl.arange(0, WIDTH)[None, :]
    return row * DIM + column, (row < DIM) & (column < DIM)


@triton.jit(do_not_specialize=SIZES)
def _products(
    x_image,
    y_image,
    products,
    squares,
    pixels,
    each,
    HEADS: tl.constexpr,
    DIM: tl.constexpr,
    X_STRIDE: tl.constexpr,
    Y_STRIDE: tl.constexpr,
    SQUARES: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Sums over some pixels of one image of x·yᵀ for one head, and, if asked for, of x² and y²."""
    of = tl.program_id(1)  # image and head
    head, start = of % HEADS, (of // HEADS).to(tl.int64) * pixels
    first = start + tl.program_id(0) * each
    last = tl.minimum(first + each, start + pixels)
    sums = tl.zeros((WIDTH, WIDTH), tl.float32)
    x_squares = tl.zeros((WIDTH,), tl.float32)
    y_squares = tl.zeros((WIDTH,), tl.float32)
    for at in range(0, each, BLOCK):
        place, there = _tile(first + at, last, head * DIM, X_STRIDE, DIM, BLOCK, WIDTH)
        x = tl.load(x_image + place, there, 0.0)
        place, there = _tile(first + at, last, head * DIM, Y_STRIDE, DIM, BLOCK, WIDTH)
        y = tl.load(y_image + place, there, 0.0)
        sums = product(tl.trans(x), y, sums)
        if SQUARES:
            wide = x.to(tl.float32)
            x_squares += tl.sum(wide * wide, 0)
            wide = y.to(tl.float32)
            y_squares += tl.sum(wide * wide, 0)
    part = tl.program_id(0) * tl.num_programs(1) + of
    to, there = _square(DIM, WIDTH)
    tl.store(products + part * DIM * DIM + to, sums, there)
    if SQUARES:
        channel = tl.arange(0, WIDTH)
        tl.store(squares + part * 2 * DIM + channel, x_squares, channel < DIM)
        tl.store(squares + part * 2 * DIM + DIM + channel, y_squares, channel < DIM)


@triton.jit(do_not_specialize=SIZES)
def _mix(
    image,
    matrices,
    out,
    pixels,
    HEADS: tl.constexpr,
    DIM: tl.constexpr,
    STRIDE: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Each pixel's channels of one head times that head's matrix of this image, or its transpose."""
    of = tl.program_id(1)
    head, start = of % HEADS, (of // HEADS).to(tl.int64) * pixels
    first = start + tl.program_id(0) * BLOCK
    place, there = _tile(first, start + pixels, head * DIM, STRIDE, DIM, BLOCK, WIDTH)
    x = tl.load(image + place, there, 0.0)
    at, within = _square(DIM, WIDTH)
    matrix = tl.load(matrices + of * DIM * DIM + at, within, 0.0).to(x.dtype)
    y = product(x, matrix if TRANSPOSED else tl.trans(matrix), tl.zeros((BLOCK, WIDTH), tl.float32))
    place, there = _tile(first, start + pixels, head * DIM, HEADS * DIM, DIM, BLOCK, WIDTH)
    tl.store(out + place, y.to(out.dtype.element_ty), there)


@triton.jit(do_not_specialize=SIZES)
def _products_backward(
    image,
    product_grads,
    square_grads,
    image_grads,
    pixels,
    HEADS: tl.constexpr,
    DIM: tl.constexpr,
    STRIDE: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Gradients of some pixels of q and k, from those of their products and squares."""
    of = tl.program_id(1)
    head, start = of % HEADS, (of // HEADS).to(tl.int64) * pixels
    first = start + tl.program_id(0) * BLOCK
    place, there = _tile(first, start + pixels, head * DIM, STRIDE, DIM, BLOCK, WIDTH)
    q = tl.load(image + place, there, 0.0)
    k = tl.load(image + HEADS * DIM + place, there, 0.0)
    at, within = _square(DIM, WIDTH)
    grad = tl.load(product_grads + of * DIM * DIM + at, within, 0.0).to(q.dtype)
    channel = tl.arange(0, WIDTH)
    q_slope = 2.0 * tl.load(square_grads + of * 2 * DIM + channel, channel < DIM, 0.0)
    k_slope = 2.0 * tl.load(square_grads + of * 2 * DIM + DIM + channel, channel < DIM, 0.0)
    q_grad = product(k, tl.trans(grad), q.to(tl.float32) * q_slope[None, :])
    k_grad = product(q, grad, k.to(tl.float32) * k_slope[None, :])
    place, there = _tile(first, start + pixels, head * DIM, 2 * HEADS * DIM, DIM, BLOCK, WIDTH)
    tl.store(image_grads + place, q_grad.to(image_grads.dtype.element_ty), there)
    tl.store(image_grads + HEADS * DIM + place, k_grad.to(image_grads.dtype.element_ty), there)


def attend(qkv: Tensor, temperature: Tensor, weighting: Callable[[Tensor], Tensor], heads: int) -> Tensor:
    """As ``reference.attend``, channels-last, of qkv's type: float32, bfloat16 or float16; logits are float32."""
    channels = qkv.shape[1] // 3
    qk, v = qkv.split([2 * channels, channels], dim=1)
    return mix(weighting(cosines(qk, heads) * temperature), v)


def cosines(qk: Tensor, heads: int) -> Tensor:
    """Of the angles between each query channel and each key channel of a head: (B, heads, C/heads, C/heads), float32.

    Args:
        qk: (B, 2C, H, W), queries before keys.
        heads: number of heads.
    """
    products, squares = _Products.apply(qk, heads)  # pyright: ignore[reportGeneralTypeIssues]
    lengths: Tensor = squares.clamp_min(SHORTEST**2).sqrt()
    q_lengths, k_lengths = lengths.unbind(2)
    return products / (q_lengths[..., :, None] * k_lengths[..., None, :])


def mix(weights: Tensor, v: Tensor) -> Tensor:
    """Take weights @ v for each head: (B, heads, c, c) and (B, heads·c, H, W) → (B, heads·c, H, W), channels-last."""
    result: Tensor = _Mix.apply(weights, v)  # pyright: ignore[reportAssignmentType]
    return result


class _Products(torch.autograd.Function):
    """q·kᵀ of each head, (B, heads, c, c), and the squared lengths of q's and k's channels, (B, heads, 2, c)."""

    @staticmethod
    def forward(ctx: Any, qk: Tensor, heads: int) -> tuple[Tensor, Tensor]:
        qk = _rows(qk)
        ctx.save_for_backward(qk)
        ctx.heads = heads
        q, k = qk.chunk(2, dim=1)
        products, squares = _sums(q, k, heads, squares=True)
        return products, squares

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (qk,) = ctx.saved_tensors
        batch, channels, height, width = qk.shape
        grad = qk.new_empty(batch, height, width, channels).permute(0, 3, 1, 2)
        products, squares = (g.float().contiguous() for g in grads)
        grid, constants = _grid(qk, ctx.heads, channels // 2)
        _products_backward[grid](qk, products, squares, grad, height * width, STRIDE=qk.stride(3), **constants)
        return grad, None


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, v: Tensor) -> Tensor:
        weights, v = weights.contiguous(), _rows(v)
        if weights.shape[1] * weights.shape[2] != v.shape[1]:
            raise ValueError(f"weights {tuple(weights.shape)} do not fit values {tuple(v.shape)}")
        ctx.save_for_backward(weights, v)
        return _mixed(weights, v, transposed=False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weights, v = ctx.saved_tensors
        grad = _rows(grads[0].to(v.dtype))
        grad_weights, _ = _sums(grad, v, weights.shape[1], squares=False)
        return grad_weights.to(weights.dtype), _mixed(weights, grad, transposed=True)


def _sums(x: Tensor, y: Tensor, heads: int, *, squares: bool) -> tuple[Tensor, Tensor]:
    """Over all pixels of x·yᵀ for each head, and of x² and y²."""
    batch, channels, height, width = x.shape
    pixels, (grid, constants) = height * width, _grid(x, heads, channels)
    size, dim = constants["BLOCK"], constants["DIM"]
    each = triton.cdiv(triton.cdiv(pixels, size), parts(x, triton.cdiv(pixels, size), grid[1], 4)) * size
    count = triton.cdiv(pixels, each)
    products = x.new_empty(count, batch, heads, dim, dim, dtype=torch.float32)
    lengths = x.new_empty(count, batch, heads, 2, dim, dtype=torch.float32) if squares else products
    strides = {"X_STRIDE": x.stride(3), "Y_STRIDE": y.stride(3)}
    _products[(count, grid[1])](x, y, products, lengths, pixels, each, SQUARES=squares, **strides, **constants)
    return products.sum(0), lengths.sum(0) if squares else lengths


def _mixed(weights: Tensor, v: Tensor, *, transposed: bool) -> Tensor:
    batch, channels, height, width = v.shape
    out = v.new_empty(batch, height, width, channels).permute(0, 3, 1, 2)
    grid, constants = _grid(v, weights.shape[1], channels)
    _mix[grid](v, weights, out, height * width, STRIDE=v.stride(3), TRANSPOSED=transposed, **constants)
    return out


def trial(dtype: torch.dtype, device: torch.device) -> None:
    """Both directions once, with the widest head."""
    qkv = torch.zeros(1, 2, 2, 3 * WIDEST_ON_GPU, dtype=dtype, device=device).permute(0, 3, 1, 2).requires_grad_()
    attend(qkv, torch.ones(1, 1, 1, device=device), torch.relu, 1).sum().backward()


def _rows(x: Tensor) -> Tensor:
    """As the kernels read images: pixels at equal distances, each with its channels side by side. Copied if need be."""
    _, _, height, width = x.shape
    pixel = x.stride(3)
    fits = x.stride(1) == 1 and x.stride(2) == width * pixel and x.stride(0) == height * width * pixel
    return x if fits else x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _grid(x: Tensor, heads: int, channels: int) -> tuple[tuple[int, int], dict[str, int]]:
    """One program for each block of pixels, image and head, and what the kernels are compiled for."""
    if channels % heads or channels // heads > WIDEST_ON_GPU:
        raise ValueError(f"{channels} channels do not fit {heads} heads of up to {WIDEST_ON_GPU}")
    dim = channels // heads
    width = block(dim, WIDEST_ON_GPU)
    short = x.dtype != torch.float32  # else products of three parts need more registers and shared memory
    constants = {
        "HEADS": heads,
        "DIM": dim,
        "BLOCK": PIXELS,
        "WIDTH": width,
        "num_warps": 4 if short and width <= 64 else 8,
        "num_stages": 3 if short else 1,
    }
    return (triton.cdiv(x.shape[2] * x.shape[3], PIXELS), len(x) * heads), constants
