"""Dense convolutions with many weights for few pixels, as products of patches, in training on CPUs.

Their specification is ``nn.Conv2d``. oneDNN puts weights into an order of its own before each pass and back after it,
which takes longer than the convolution where there are more weights than pixels; a patch of a channels-last image
times weights that are channels-last too needs no order but theirs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.kernels.convolution import products
from pellucid.kernels.convolution.products import apply, image, pixels


def applies(x: Tensor, layer: nn.Conv2d) -> bool:
    """Whether ``convolve`` can do this, and is quicker: in training, in float32 on a CPU."""
    plain = layer.kernel_size != (1, 1) and layer.dilation == (1, 1) and layer.groups == 1
    if not plain or layer.padding_mode != "zeros" or isinstance(layer.padding, str) or layer.bias is None:
        return False
    return layer.weight.numel() > x.numel() and products.applies(x, layer)


def convolve(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """``layer(x)``, (B, C, H, W) → (B, D, H', W'), channels-last, with gradients."""
    result: Tensor = _Convolve.apply(x, layer.weight, layer.bias, layer.stride, layer.padding)  # pyright: ignore[reportAssignmentType]
    return result


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        patches = _patches(_padded(x, padding), weight, stride)
        seen = patches.flatten(3).flatten(0, 2)
        ctx.save_for_backward(seen, weight)
        ctx.layout = x.shape, stride, padding
        return image(apply(seen, _matrix(weight), bias), like=patches[..., 0, 0, 0].unsqueeze(1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        seen, weight = ctx.saved_tensors
        shape, stride, padding = ctx.layout
        grad = pixels(grads[0])
        of_weight = (grad.t() @ seen).view(len(weight), *weight.shape[2:], -1).permute(0, 3, 1, 2)
        padded = _padded(grad.new_zeros(shape), padding)
        of_patches = _patches(padded, weight, stride)
        of_seen = apply(grad, _matrix(weight).t()).view(of_patches.shape)
        for i in range(weight.shape[2]):  # patches overlap, the pixels of one tap do not
            for j in range(weight.shape[3]):
                of_patches[:, :, :, i, j] += of_seen[:, :, :, i, j]
        (top, left), (height, width) = padding, shape[2:]
        of_x = padded[:, top : top + height, left : left + width].permute(0, 3, 1, 2)
        return of_x, of_weight, grad.sum(0), None, None


def _padded(x: Tensor, padding: tuple[int, int]) -> Tensor:
    """An image, with zeros around it, as (B, H, W, C)."""
    vertical, horizontal = padding
    return nn.functional.pad(x.permute(0, 2, 3, 1), (0, 0, horizontal, horizontal, vertical, vertical)).contiguous()


def _patches(padded: Tensor, weight: Tensor, stride: tuple[int, int]) -> Tensor:
    """What each pixel of the result sees: (B, H', W', kernel, kernel, C), a view."""
    rows = padded.unfold(1, weight.shape[2], stride[0])
    return rows.unfold(2, weight.shape[3], stride[1]).permute(0, 1, 2, 4, 5, 3)


def _matrix(weight: Tensor) -> Tensor:
    """(D, C, kernel, kernel), channels-last, as (D, kernel·kernel·C)."""
    return weight.permute(0, 2, 3, 1).flatten(1)
