# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false
"""The middle of AST's, ASTv2's and Restormer's feed-forward networks in one pass of Triton, and two backward.

A program goes down a strip of the image, some pixels wide. Each row of the input is read once, at three offsets, and
adds to the three rows of the convolution's result that it is part of, of which two are thus kept in registers.

The backward pass first writes the gradients of the convolution's result, then takes the convolution's transpose and its
weights' gradients from them together. Programs add up those of their strip; the sums are added afterwards, always in
the same order.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from pellucid.kernels.shared.arithmetic import block, gelu, gelu_slope

TAPS = 9
ACROSS = 8  # pixels that a program is wide
WIDEST = 64  # channels that it holds
FORWARD_ROWS, BACKWARD_ROWS = 16, 32  # of a strip; two more are read
SIZES = ["height", "width", "strips"]


# of ``GATES``, in their order: GELU on both halves before all else; GELU after the first's convolution; the second is
# convolved as well
FLAGS = (
    {"BEFORE": True, "AFTER": True, "BOTH": False},
    {"BEFORE": False, "AFTER": True, "BOTH": True},
    {"BEFORE": False, "AFTER": False, "BOTH": False},
)


@triton.jit
def _place(strips, width, ROWS: tl.constexpr, ACROSS: tl.constexpr):
    """Image, first row and columns of a strip."""
    columns = tl.cdiv(width, ACROSS)
    program = tl.program_id(0)
    x = program % columns * ACROSS + tl.arange(0, ACROSS)[:, None]
    return (program // (columns * strips)).to(tl.int64), program // columns % strips * ROWS, x


@triton.jit
def _read(image, n, y, x, height, width, channel, some, STRIDE: tl.constexpr, BEFORE: tl.constexpr):
    """Pixels (x, y) of image n in float32, after GELU if so; zeros outside of it."""
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width) & some
    values = tl.load(image + ((n * height + y) * width + x) * STRIDE + channel, there, 0.0).to(tl.float32)
    return gelu(values) if BEFORE else values


@triton.jit
def _taps(weights, channel, some, i: tl.constexpr, TAPS: tl.constexpr):
    """One row of the filters."""
    to = weights + channel * TAPS + 3 * i
    return tl.load(to, some, 0.0), tl.load(to + 1, some, 0.0), tl.load(to + 2, some, 0.0)


@triton.jit(do_not_specialize=SIZES)
def _forward(
    image,
    weights,
    biases,
    grads,
    out,
    halves_grads,
    height,
    width,
    strips,
    HIDDEN: tl.constexpr,
    BEFORE: tl.constexpr,
    AFTER: tl.constexpr,
    BOTH: tl.constexpr,
    BACKWARD: tl.constexpr,
    ROWS: tl.constexpr,
    ACROSS: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
):
    """The gate; or ``BACKWARD``, the gradients of what is multiplied in it.

    ``out`` then has those of the convolution's results. Without ``BOTH``, that of the other half is carried on to
    its place in ``halves_grads``.
    """
    n, top, x = _place(strips, width, ROWS, ACROSS)
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)[None, :]
    some = channel < HIDDEN
    OUT: tl.constexpr = 2 * HIDDEN if BACKWARD and BOTH else HIDDEN
    a00, a01, a02 = _taps(weights, channel, some, 0, TAPS)
    a10, a11, a12 = _taps(weights, channel, some, 1, TAPS)
    a20, a21, a22 = _taps(weights, channel, some, 2, TAPS)
    a_bias = tl.load(biases + channel, some, 0.0)
    a_older = tl.zeros((ACROSS, WIDTH), tl.float32)
    a_newer = tl.zeros((ACROSS, WIDTH), tl.float32)
    if BOTH:
        b00, b01, b02 = _taps(weights + HIDDEN * TAPS, channel, some, 0, TAPS)
        b10, b11, b12 = _taps(weights + HIDDEN * TAPS, channel, some, 1, TAPS)
        b20, b21, b22 = _taps(weights + HIDDEN * TAPS, channel, some, 2, TAPS)
        b_bias = tl.load(biases + HIDDEN + channel, some, 0.0)
        b_older = tl.zeros((ACROSS, WIDTH), tl.float32)
        b_newer = tl.zeros((ACROSS, WIDTH), tl.float32)
    for row in range(top - 1, tl.minimum(top + ROWS, height) + 1):
        y = tl.full((ACROSS, 1), row, tl.int32)
        left = _read(image, n, y, x - 1, height, width, channel, some, 2 * HIDDEN, BEFORE)
        centre = _read(image, n, y, x, height, width, channel, some, 2 * HIDDEN, BEFORE)
        right = _read(image, n, y, x + 1, height, width, channel, some, 2 * HIDDEN, BEFORE)
        mixed = a_older + left * a20 + centre * a21 + right * a22 + a_bias
        a_older = a_newer + left * a10 + centre * a11 + right * a12
        a_newer = left * a00 + centre * a01 + right * a02

        # the row above is complete
        there = (y > top) & (x < width) & some
        done = (n * height + y - 1) * width + x
        if BOTH:
            left = _read(image + HIDDEN, n, y, x - 1, height, width, channel, some, 2 * HIDDEN, BEFORE)
            centre = _read(image + HIDDEN, n, y, x, height, width, channel, some, 2 * HIDDEN, BEFORE)
            right = _read(image + HIDDEN, n, y, x + 1, height, width, channel, some, 2 * HIDDEN, BEFORE)
            value = b_older + left * b20 + centre * b21 + right * b22 + b_bias
            b_older = b_newer + left * b10 + centre * b11 + right * b12
            b_newer = left * b00 + centre * b01 + right * b02
        else:
            raw = tl.load(image + done * 2 * HIDDEN + HIDDEN + channel, there, 0.0).to(tl.float32)
            value = gelu(raw) if BEFORE else raw
        gate = gelu(mixed) if AFTER else mixed
        to = out + done * OUT + channel
        if BACKWARD:
            up = tl.load(grads + done * HIDDEN + channel, there, 0.0).to(tl.float32)
            mixed_grad = up * value
            if AFTER:
                mixed_grad *= gelu_slope(mixed)
            value_grad = up * gate
            tl.store(to, mixed_grad.to(out.dtype.element_ty), there)
            if BOTH:
                tl.store(to + HIDDEN, value_grad.to(out.dtype.element_ty), there)
            else:
                if BEFORE:
                    value_grad *= gelu_slope(raw)
                carried = halves_grads + done * 2 * HIDDEN + HIDDEN + channel
                tl.store(carried, value_grad.to(halves_grads.dtype.element_ty), there)
        else:
            tl.store(to, (gate * value).to(out.dtype.element_ty), there)


@triton.jit(do_not_specialize=SIZES)
def _backward(
    image,
    weights,
    mixed_grads,
    halves_grads,
    sums,
    height,
    width,
    strips,
    HIDDEN: tl.constexpr,
    CONVOLVED: tl.constexpr,
    BEFORE: tl.constexpr,
    ROWS: tl.constexpr,
    ACROSS: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
):
    """From the gradients of the convolution's results to those of its input, filters and biases."""
    n, top, x = _place(strips, width, ROWS, ACROSS)
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)[None, :]
    some = channel < CONVOLVED
    # as each row of gradients adds to three rows of the input's, mirrored
    w00, w01, w02 = _taps(weights, channel, some, 0, TAPS)
    w10, w11, w12 = _taps(weights, channel, some, 1, TAPS)
    w20, w21, w22 = _taps(weights, channel, some, 2, TAPS)
    zeros = tl.zeros((ACROSS, WIDTH), tl.float32)
    older, newer = zeros, zeros
    s00, s01, s02, s10, s11, s12, s20, s21, s22 = zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros
    bias_sum = zeros
    # rows of the input at y - 1 and y, as the filters saw them; those of other strips are other programs'
    bottom = tl.minimum(top + ROWS, height)
    above, same = zeros, zeros
    for row in range(top - 1, bottom + 1):
        y = tl.full((ACROSS, 1), row, tl.int32)
        left = _read(mixed_grads, n, y, x - 1, height, width, channel, some, CONVOLVED, False)
        centre = _read(mixed_grads, n, y, x, height, width, channel, some, CONVOLVED, False)
        right = _read(mixed_grads, n, y, x + 1, height, width, channel, some, CONVOLVED, False)
        own = some & (y + 1 < bottom)
        under = _read(image, n, y + 1, x, height, width, channel, own, 2 * HIDDEN, BEFORE)
        s00 += above * right
        s01 += above * centre
        s02 += above * left
        s10 += same * right
        s11 += same * centre
        s12 += same * left
        s20 += under * right
        s21 += under * centre
        s22 += under * left
        bias_sum += tl.where((y >= top) & (y < bottom), centre, 0.0)

        grad = older + right * w00 + centre * w01 + left * w02
        older = newer + right * w10 + centre * w11 + left * w12
        newer = right * w20 + centre * w21 + left * w22
        there = (y > top) & (x < width) & some
        done = ((n * height + y - 1) * width + x) * 2 * HIDDEN + channel
        if BEFORE:
            grad *= gelu_slope(tl.load(image + done, there, 0.0).to(tl.float32))
        tl.store(halves_grads + done, grad.to(halves_grads.dtype.element_ty), there)
        above, same = same, under
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    to = sums + tl.program_id(0) * (TAPS + 1) * CONVOLVED + channel * (TAPS + 1)
    tl.store(to, tl.sum(s00, 0), channel < CONVOLVED)
    tl.store(to + 1, tl.sum(s01, 0), channel < CONVOLVED)
    tl.store(to + 2, tl.sum(s02, 0), channel < CONVOLVED)
    tl.store(to + 3, tl.sum(s10, 0), channel < CONVOLVED)
    tl.store(to + 4, tl.sum(s11, 0), channel < CONVOLVED)
    tl.store(to + 5, tl.sum(s12, 0), channel < CONVOLVED)
    tl.store(to + 6, tl.sum(s20, 0), channel < CONVOLVED)
    tl.store(to + 7, tl.sum(s21, 0), channel < CONVOLVED)
    tl.store(to + 8, tl.sum(s22, 0), channel < CONVOLVED)
    tl.store(to + 9, tl.sum(bias_sum, 0), channel < CONVOLVED)


def forward(shape: tuple[int, ...], gate: int, expanded: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> None:
    grid, sizes, constants = _cut(shape, shape[3], FORWARD_ROWS)
    images = expanded, weight, bias, expanded, out, expanded
    _forward[grid](*images, *sizes, BACKWARD=False, **FLAGS[gate], **constants)


def backward(
    shape: tuple[int, ...],
    gate: int,
    expanded: Tensor,
    weight: Tensor,
    bias: Tensor,
    grad: Tensor,
    grad_expanded: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
) -> None:
    batch, height, width, hidden = shape
    convolved = len(weight)
    mixed = expanded.new_empty(batch, height, width, convolved).permute(0, 3, 1, 2)
    grid, sizes, constants = _cut(shape, hidden, FORWARD_ROWS)
    images = expanded, weight, bias, grad, mixed, grad_expanded
    _forward[grid](*images, *sizes, BACKWARD=True, **FLAGS[gate], **constants)

    grid, sizes, constants = _cut(shape, convolved, BACKWARD_ROWS)
    sums = weight.new_empty(grid[0], convolved, TAPS + 1)
    flags = {"CONVOLVED": convolved, "BEFORE": FLAGS[gate]["BEFORE"]}
    _backward[grid](expanded, weight, mixed, grad_expanded, sums, *sizes, **flags, **constants)
    total = sums.sum(0)
    grad_weight.copy_(total[:, :TAPS].reshape(grad_weight.shape))
    grad_bias.copy_(total[:, TAPS])


def trial(dtype: torch.dtype, device: torch.device) -> None:
    """Both directions once, of the first gate."""
    expanded = torch.zeros(1, 4, 4, 128, dtype=dtype, device=device).permute(0, 3, 1, 2)
    weight, bias = torch.zeros(64, 1, 3, 3, device=device), torch.zeros(64, device=device)
    given = (1, 4, 4, 64), 0, expanded, weight, bias
    out = torch.empty_like(expanded[:, :64], memory_format=torch.channels_last)
    forward(*given, out)
    backward(*given, out, *(torch.empty_like(x) for x in (expanded, weight, bias)))


def _cut(
    shape: tuple[int, ...], channels: int, rows: int
) -> tuple[tuple[int, int], tuple[int, int, int], dict[str, int]]:
    """Programs for so many channels, in strips of so many rows; the sizes they take; what they are compiled for."""
    batch, height, width, hidden = shape
    strips, size = triton.cdiv(height, rows), block(channels, WIDEST)
    grid = (batch * strips * triton.cdiv(width, ACROSS), triton.cdiv(channels, size))
    constants = {"HIDDEN": hidden, "ROWS": rows, "ACROSS": ACROSS, "WIDTH": size, "TAPS": TAPS}
    return grid, (height, width, strips), constants | {"num_warps": size * ACROSS // 128}
