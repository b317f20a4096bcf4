"""Dense convolutions of float32 on AMX, for inference: products in parts of bfloat16 (``linear.h``).

Their specifications are ``nn.Conv2d`` and ``reference.add_product``.
"""

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch
from pellucid.kernels.compiler import library
from pellucid.kernels.entry import Entry

SOURCE = "convolution"
NARROWEST = 48  # channels, of inputs or results: with fewer, most of a tile would be empty

_forward = Entry(SOURCE, "forward", "shape:10 x:image weights:floats biases:floats? added:image? out:image", on="x")


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether ``convolve`` can do this, and is quicker: on CPUs that have AMX, where products need not be exact."""
    if dispatch.on_gpu(x) or dispatch.after_convolution(x) != torch.float32 or min(weight.shape[:2]) < NARROWEST:
        return False
    # asked for before the library: what is exact never waits for its compilation
    if dispatch.is_traced() or dispatch.numbers(x) != dispatch.SPLIT_FLOATS:
        return False
    if not (dispatch.is_inference(x, weight) and dispatch.applies(SOURCE, x)):
        return False
    kernel = library(SOURCE)
    return kernel is not None and bool(kernel.convolution_has_tiles())


def convolve(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """``layer(x)``, to about 1e-5 of the lengths of what is multiplied.

    Args:
        x: (B, C, H, W), float32.
        layer: square, of one group, undilated, padded with zeros.

    Returns:
        (B, D, H', W'), channels-last.
    """
    kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
    x = dispatch.channels_last(x)
    batch, channels, height, width = x.shape
    high, wide = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
    plain = layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    square = len({*layer.stride}) == len({*layer.padding}) == 1
    if not (plain and square) or layer.weight.shape[1:] != (channels, kernel, kernel) or min(high, wide) < 1:
        raise ValueError(f"{layer} does not fit {tuple(x.shape)}")
    out = x.new_empty(batch, high, wide, layer.out_channels).permute(0, 3, 1, 2)
    weights = layer.weight.float().permute(0, 2, 3, 1).contiguous()
    biases = dispatch.weights_of(layer)[1]
    shape = (batch, height, width, channels, layer.out_channels, kernel, stride, padding, high, wide)
    _forward(shape=shape, x=x, weights=weights, biases=biases, added=None, out=out)
    return out


def add_product(x: Tensor, matrix: Tensor, y: Tensor, *, into: Tensor | None = None) -> Tensor:
    """X + matrix·y at every pixel: (B, D, H, W), (B, D, C) and (B, C, H, W), float32 → (B, D, H, W), channels-last.

    The result is written ``into`` an image, which may be x, if one is given.
    """
    x, y, matrix = dispatch.channels_last(x), dispatch.channels_last(y), matrix.contiguous()
    batch, channels, height, width = y.shape
    if matrix.shape != (batch, x.shape[1], channels) or x.shape[2:] != y.shape[2:]:
        raise ValueError(f"{tuple(matrix.shape)} does not fit {tuple(x.shape)} and {tuple(y.shape)}")
    out = dispatch.result_for(x, into)
    shape = (1, height, width, channels, x.shape[1], 1, 1, 0, height, width)
    for i in range(batch):
        one = slice(i, i + 1)
        _forward(shape=shape, x=y[one], weights=matrix[i], biases=None, added=x[one], out=out[one])
    return out
