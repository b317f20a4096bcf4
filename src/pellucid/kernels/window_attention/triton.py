# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false
"""Attention inside windows in Triton: one program holds a block of a window's queries, and its scores, in registers.

Windows of up to 64 pixels are one block; larger ones go block by block of keys, with the softmax corrected as it goes.
The backward pass computes the scores again. A program there goes through many windows and adds up the gradient of
their bias itself; the programs' sums are added afterwards, always in the same order, so results repeat bit for bit,
which additions in global memory (atomics) would not, at 4096 a window and head.

More than 300 lines: forward and backward pass share the reading of windows.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from pellucid.kernels.shared.arithmetic import block, parts, product
from pellucid.kernels.window_attention.op import WIDEST_ON_GPU

LARGEST_BLOCK = 64  # tokens: scores of 64 × 64 are 32 registers of each of 128 threads
HIDDEN = tl.constexpr(-1e30)  # the logit of a key that is no pixel: its weight is exactly 0
OTHER_REGION = tl.constexpr(-100.0)  # Swin's value, as in blocks/window.py
SIZES = ["height", "width", "windows", "each"]  # differ from image to image: no kernel is compiled for one value


@triton.jit
def _tokens(window, part, height, width, SIDE: tl.constexpr, SHIFT: tl.constexpr, BLOCK: tl.constexpr):
    """Of a block of a window's tokens: pixels in the batch, whether there is such a pixel, and regions.

    The image is as if padded to whole windows and rolled by -SHIFT; tokens of different regions came together so.
    """
    rows, columns = tl.cdiv(height, SIDE), tl.cdiv(width, SIDE)
    image = (window // (rows * columns)).to(tl.int64)
    token = part * BLOCK + tl.arange(0, BLOCK)
    y = window // columns % rows * SIDE + token // SIDE
    x = window % columns * SIDE + token % SIDE
    region = (y >= rows * SIDE - SHIFT) * 2 + (x >= columns * SIDE - SHIFT)
    y, x = (y + SHIFT) % (rows * SIDE), (x + SHIFT) % (columns * SIDE)
    inside = (token < SIDE * SIDE) & (y < height) & (x < width)
    return (image * height + y) * width + x, inside, region


@triton.jit
def _places(pixel, inside, first, CHANNELS: tl.constexpr, DIM: tl.constexpr, WIDTH: tl.constexpr):
    """Where DIM channels from the first on of these pixels are, (BLOCK, WIDTH), and whether they are."""
    channel = tl.arange(0, WIDTH)[None, :]
    return pixel[:, None] * CHANNELS + first + channel, inside[:, None] & (channel < DIM)


@triton.jit
def _pairs(head, i, j, TOKENS: tl.constexpr, BLOCK: tl.constexpr):
    """Where the biases of a block of (query, key) pairs are, (BLOCK, BLOCK), and whether they are."""
    query, key = i * BLOCK + tl.arange(0, BLOCK)[:, None], j * BLOCK + tl.arange(0, BLOCK)[None, :]
    return (head * TOKENS + query) * TOKENS + key, (query < TOKENS) & (key < TOKENS)


@triton.jit
def _logits(q, k, bias, seen, q_region, k_region, DIM: tl.constexpr, SHIFT: tl.constexpr, BLOCK: tl.constexpr):
    logits = product(q, tl.trans(k), tl.zeros((BLOCK, BLOCK), tl.float32)) * (DIM**-0.5) + bias
    if SHIFT > 0:
        logits += tl.where(q_region[:, None] != k_region[None, :], OTHER_REGION, 0.0)
    return tl.where(seen[None, :], logits, HIDDEN)


@triton.jit
def _sparse(logits, SQUARED: tl.constexpr):
    positive = tl.maximum(logits, 0.0)
    return positive * positive if SQUARED else positive


@triton.jit(do_not_specialize=SIZES)
def _forward(
    q_image,
    kv_image,
    biases,
    mixture,
    out_image,
    height,
    width,
    windows,
    each,
    HEADS: tl.constexpr,
    DIM: tl.constexpr,
    SIDE: tl.constexpr,
    SHIFT: tl.constexpr,
    SQUARED: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    TOKENS: tl.constexpr = SIDE * SIDE
    BLOCKS: tl.constexpr = (TOKENS + BLOCK - 1) // BLOCK
    CHANNELS: tl.constexpr = HEADS * DIM
    # heads of a window run side by side, so that what one leaves of a line of memory is used by the next
    head, i = tl.program_id(0) % HEADS, tl.program_id(0) // HEADS % BLOCKS
    first = tl.program_id(0) // (HEADS * BLOCKS) * each
    dense_factor, sparse_factor = tl.load(mixture), tl.load(mixture + 1)
    b_place, b_there = _pairs(head, i, 0, TOKENS, BLOCK)
    bias = tl.load(biases + b_place, b_there, 0.0)  # the only block, or the first
    for window in range(first, tl.minimum(first + each, windows)):
        pixel, inside, region = _tokens(window, i, height, width, SIDE, SHIFT, BLOCK)
        place, there = _places(pixel, inside, head * DIM, CHANNELS, DIM, WIDTH)
        q = tl.load(q_image + place, there, 0.0)
        highest = tl.full((BLOCK,), HIDDEN, tl.float32)
        total = tl.zeros((BLOCK,), tl.float32)
        dense_sum = tl.zeros((BLOCK, WIDTH), tl.float32)
        sparse_sum = tl.zeros((BLOCK, WIDTH), tl.float32)
        for j in range(BLOCKS):
            k_pixel, seen, k_region = _tokens(window, j, height, width, SIDE, SHIFT, BLOCK)
            k_place, k_there = _places(k_pixel, seen, head * DIM, 2 * CHANNELS, DIM, WIDTH)
            k = tl.load(kv_image + k_place, k_there, 0.0)
            v = tl.load(kv_image + CHANNELS + k_place, k_there, 0.0)
            if BLOCKS > 1:
                b_place, b_there = _pairs(head, i, j, TOKENS, BLOCK)
                bias = tl.load(biases + b_place, b_there, 0.0)
            logits = _logits(q, k, bias, seen, region, k_region, DIM, SHIFT, BLOCK)
            top = tl.maximum(highest, tl.max(logits, 1))
            dense = tl.exp(logits - top[:, None])
            fading = tl.exp(highest - top)
            highest = top
            total = total * fading + tl.sum(dense, 1)
            dense_sum = product(dense.to(v.dtype), v, dense_sum * fading[:, None])
            sparse_sum = product(_sparse(logits, SQUARED).to(v.dtype), v, sparse_sum)
        result = dense_sum * (dense_factor / total)[:, None] + sparse_sum * sparse_factor
        tl.store(out_image + place, result.to(q.dtype), there)


@triton.jit(do_not_specialize=SIZES)
def _backward(
    q_image,
    kv_image,
    biases,
    mixture,
    grad_image,
    q_grads,
    kv_grads,
    bias_grads,
    mixture_grads,
    height,
    width,
    windows,
    each,
    HEADS: tl.constexpr,
    DIM: tl.constexpr,
    SIDE: tl.constexpr,
    SHIFT: tl.constexpr,
    SQUARED: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Gradients from the pairs of one block of queries and one of keys, in many windows.

    Those of queries are given apart for each block of keys, those of keys and values for each block of queries.
    """
    TOKENS: tl.constexpr = SIDE * SIDE
    BLOCKS: tl.constexpr = (TOKENS + BLOCK - 1) // BLOCK
    CHANNELS: tl.constexpr = HEADS * DIM
    program = tl.program_id(0)
    head, i, j = program % HEADS, program // HEADS % BLOCKS, program // (HEADS * BLOCKS) % BLOCKS
    part = program // (HEADS * BLOCKS * BLOCKS)
    first = part * each
    dense_factor, sparse_factor = tl.load(mixture), tl.load(mixture + 1)
    b_place, b_there = _pairs(head, i, j, TOKENS, BLOCK)
    bias = tl.load(biases + b_place, b_there, 0.0)
    pixels = (windows // (tl.cdiv(height, SIDE) * tl.cdiv(width, SIDE)) * height).to(tl.int64) * width
    bias_sum = tl.zeros((BLOCK, BLOCK), tl.float32)
    dense_sum = tl.zeros((BLOCK,), tl.float32)
    sparse_sum = tl.zeros((BLOCK,), tl.float32)
    for window in range(first, tl.minimum(first + each, windows)):
        pixel, inside, region = _tokens(window, i, height, width, SIDE, SHIFT, BLOCK)
        place, there = _places(pixel, inside, head * DIM, CHANNELS, DIM, WIDTH)
        q = tl.load(q_image + place, there, 0.0)
        grad = tl.load(grad_image + place, there, 0.0)
        k_pixel, seen, k_region = _tokens(window, j, height, width, SIDE, SHIFT, BLOCK)
        k_place, k_there = _places(k_pixel, seen, head * DIM, 2 * CHANNELS, DIM, WIDTH)
        k = tl.load(kv_image + k_place, k_there, 0.0)
        v = tl.load(kv_image + CHANNELS + k_place, k_there, 0.0)
        logits = _logits(q, k, bias, seen, region, k_region, DIM, SHIFT, BLOCK)
        up = product(grad, tl.trans(v), tl.zeros((BLOCK, BLOCK), tl.float32))  # of the weights
        if BLOCKS == 1:
            dense = tl.exp(logits - tl.max(logits, 1)[:, None])
            dense = dense / tl.sum(dense, 1)[:, None]
            along = tl.sum(dense * up, 1)
        else:
            # the softmax of a row, and its product with the weights' gradients, need all of its keys
            highest = tl.full((BLOCK,), HIDDEN, tl.float32)
            total = tl.zeros((BLOCK,), tl.float32)
            along = tl.zeros((BLOCK,), tl.float32)
            for other in range(BLOCKS):
                o_pixel, o_seen, o_region = _tokens(window, other, height, width, SIDE, SHIFT, BLOCK)
                o_place, o_there = _places(o_pixel, o_seen, head * DIM, 2 * CHANNELS, DIM, WIDTH)
                o_k = tl.load(kv_image + o_place, o_there, 0.0)
                o_v = tl.load(kv_image + CHANNELS + o_place, o_there, 0.0)
                o_bias_place, o_bias_there = _pairs(head, i, other, TOKENS, BLOCK)
                o_bias = tl.load(biases + o_bias_place, o_bias_there, 0.0)
                o_logits = _logits(q, o_k, o_bias, o_seen, region, o_region, DIM, SHIFT, BLOCK)
                o_up = product(grad, tl.trans(o_v), tl.zeros((BLOCK, BLOCK), tl.float32))
                top = tl.maximum(highest, tl.max(o_logits, 1))
                o_dense = tl.exp(o_logits - top[:, None])
                fading = tl.exp(highest - top)
                highest = top
                total = total * fading + tl.sum(o_dense, 1)
                along = along * fading + tl.sum(o_dense * o_up, 1)
            along = along / total
            dense = tl.exp(logits - highest[:, None]) / total[:, None]

        sparse = _sparse(logits, SQUARED)
        slope = 2.0 * tl.maximum(logits, 0.0) if SQUARED else tl.where(logits > 0.0, 1.0, 0.0)
        dense_sum += tl.sum(dense * up, 1)
        sparse_sum += tl.sum(sparse * up, 1)
        logits_grad = dense_factor * dense * (up - along[:, None]) + sparse_factor * slope * up
        bias_sum += logits_grad
        weights = (dense_factor * dense + sparse_factor * sparse).to(q.dtype)
        logits_grad = (logits_grad * (DIM**-0.5)).to(q.dtype)

        zeros = tl.zeros((BLOCK, WIDTH), tl.float32)
        q_grad = product(logits_grad, k, zeros)
        k_grad = product(tl.trans(logits_grad), q, zeros)
        v_grad = product(tl.trans(weights), grad, zeros)
        to = q_grads + j * pixels * CHANNELS + place
        tl.store(to, q_grad.to(q_grads.dtype.element_ty), there)
        to = kv_grads + i * pixels * 2 * CHANNELS + k_place
        tl.store(to, k_grad.to(kv_grads.dtype.element_ty), k_there)
        tl.store(to + CHANNELS, v_grad.to(kv_grads.dtype.element_ty), k_there)
    tl.store(bias_grads + part * HEADS * TOKENS * TOKENS + b_place, bias_sum, b_there)
    tl.store(mixture_grads + 2 * program, tl.sum(dense_sum, 0))
    tl.store(mixture_grads + 2 * program + 1, tl.sum(sparse_sum, 0))


def forward(
    shape: tuple[int, ...], mixture: Tensor, squared: bool, q: Tensor, kv: Tensor, bias: Tensor, out: Tensor
) -> None:
    windows, blocks, constants = _cut(shape, squared)
    heads = shape[3]
    # a program for each window would load as much of the bias as of the image
    each = triton.cdiv(windows, parts(q, windows, heads * blocks, 16))
    grid = (heads * blocks * triton.cdiv(windows, each),)
    _forward[grid](q, kv, bias, mixture, out, *shape[1:3], windows, each, **constants)


def backward(
    shape: tuple[int, ...],
    mixture: Tensor,
    squared: bool,
    q: Tensor,
    kv: Tensor,
    bias: Tensor,
    grad: Tensor,
    grad_q: Tensor,
    grad_kv: Tensor,
    grad_bias: Tensor,
    grad_mixture: Tensor,
) -> None:
    windows, blocks, constants = _cut(shape, squared)
    heads = shape[3]
    each = triton.cdiv(windows, parts(q, windows, heads * blocks**2, 4))
    count = triton.cdiv(windows, each)
    q_parts, kv_parts = (_parts(x, blocks) for x in (grad_q, grad_kv))
    bias_parts = bias.new_empty(count, *bias.shape)
    mixture_parts = bias.new_empty(count * blocks**2 * heads, 2)
    sums = (q_parts, kv_parts, bias_parts, mixture_parts)
    _backward[(len(mixture_parts),)](q, kv, bias, mixture, grad, *sums, *shape[1:3], windows, each, **constants)
    grad_bias.copy_(bias_parts.sum(0))
    grad_mixture.copy_(mixture_parts.sum(0))
    if blocks > 1:
        grad_q.copy_(q_parts.sum(0))
        grad_kv.copy_(kv_parts.sum(0))


def trial(dtype: torch.dtype, device: torch.device) -> None:
    """Both directions once, at the largest block and widest head."""
    side = int(LARGEST_BLOCK**0.5)
    q = torch.zeros(1, side, side, WIDEST_ON_GPU, dtype=dtype, device=device).permute(0, 3, 1, 2)
    kv = torch.zeros(1, side, side, 2 * WIDEST_ON_GPU, dtype=dtype, device=device).permute(0, 3, 1, 2)
    bias, mixture = torch.zeros(1, side**2, side**2, device=device), torch.ones(2, device=device)
    arguments = (1, side, side, 1, WIDEST_ON_GPU, side, side // 2), mixture, True, q, kv, bias
    forward(*arguments, torch.empty_like(q))
    results = (torch.empty_like(x) for x in (q, kv, bias, mixture))
    backward(*arguments, q, *results)


def _parts(result: Tensor, blocks: int) -> Tensor:
    """Where each block's share of a gradient goes: into the result itself, if there is but one."""
    if blocks == 1:
        return result
    batch, channels, height, width = result.shape
    shares = result.new_empty(blocks, batch, height, width, channels, dtype=torch.float32)
    return shares.permute(0, 1, 4, 2, 3)


def _cut(shape: tuple[int, ...], squared: bool) -> tuple[int, int, dict[str, int | bool]]:
    """The number of windows, of blocks in each, and what the kernels are compiled for."""
    batch, height, width, heads, dim, side, shift = shape
    tokens = side**2
    size = block(tokens, LARGEST_BLOCK)
    constants: dict[str, int | bool] = {
        "HEADS": heads,
        "DIM": dim,
        "SIDE": side,
        "SHIFT": shift,
        "SQUARED": squared,
        "BLOCK": size,
        "WIDTH": block(dim, WIDEST_ON_GPU),
        "num_warps": 4 if size == LARGEST_BLOCK else 1,
        "num_stages": 1,  # tiles of several windows at once would not fit older GPUs' shared memory in float32
    }
    return batch * triton.cdiv(height, side) * triton.cdiv(width, side), triton.cdiv(tokens, size), constants
