"""A 2×2 transposed convolution beside what a U-Net's encoder kept, as matrix products, for training on CPUs.

Its specification is ``blocks.resample.Upsample``, which runs on PyTorch's operators wherever this does not. Each pixel
makes a square of four by itself, so the layer is linear: one product, whose results are put in their places at once.
"""

from typing import Any

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.convolution.products import image, pixels


def join(x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What the layer makes of x, (B, C, H, W), and then ``skip``, (B, S, 2H, 2W), along channels, with gradients.

    Args:
        x, skip: float32.
        weight, bias: (C, D, 2, 2) and (D,), of the layer.

    Returns:
        (B, D + S, 2H, 2W), channels-last.
    """
    result: Tensor = _Join.apply(x, skip, weight, bias)  # pyright: ignore[reportAssignmentType]
    return result


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        seen = pixels(x)
        out = skip.new_empty(len(x), *skip.shape[2:], weight.shape[1] + skip.shape[1]).permute(0, 3, 1, 2)
        squares = _squares(out[:, : len(bias)])
        torch.add((seen @ _matrix(weight)).view(squares.shape), bias, out=squares)
        out[:, len(bias) :] = skip
        ctx.save_for_backward(seen, weight)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        seen, weight = ctx.saved_tensors
        width = weight.shape[1]
        grad = dispatch.channels_last(grads[0])
        squares = _squares(grad[:, :width])
        rows = squares.reshape(len(seen), -1)
        of_weight = (seen.t() @ rows).view(-1, 2, 2, width).permute(0, 3, 1, 2)
        of_x = image(rows @ _matrix(weight).t(), like=squares[:, :, :, 0, 0].permute(0, 3, 1, 2))
        return of_x, grad[:, width:], of_weight, rows.sum(0).view(4, width).sum(0)


def _matrix(weight: Tensor) -> Tensor:
    """From an input to the channels of each pixel of its square: (C, 4·D)."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _squares(result: Tensor) -> Tensor:
    """A channels-last image (B, D, 2H, 2W) as (B, H, W, 2, 2, D): a view."""
    return result.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, 3, 5, 1)
