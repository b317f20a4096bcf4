"""Linear layers at every pixel as matrix products over all pixels, and their gradients, for training on CPUs.

Their specification is ``nn.Conv2d``, 1×1. PyTorch gives its gradients on one thread to its oldest code, which copies
channels-last images to another layout and back. A channels-last image is a matrix already, (B·H·W, C), of which every
view here is made.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch


def applies(x: Tensor, layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether a linear layer is to be trained on this, in float32 on a CPU.

    Bfloat16 is left to oneDNN's convolutions.
    """
    if x.device.type != "cpu" or type(x) is not Tensor or dispatch.is_inference(x, layer.weight):
        return False
    return x.dtype == dispatch.after_convolution(x) == torch.float32 and not dispatch.is_traced()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1×1 convolution, (B, C, H, W) → (B, D, H, W), channels-last, with gradients; weight: (D, C, 1, 1)."""
    result: Tensor = _Linear.apply(x, weight, bias)  # pyright: ignore[reportAssignmentType]
    return result


def pixels(image: Tensor) -> Tensor:
    """An image, (B, C, H, W), as a matrix: (B·H·W, C); a view of a channels-last one."""
    return dispatch.channels_last(image).permute(0, 2, 3, 1).flatten(0, 2)


def image(matrix: Tensor, like: Tensor) -> Tensor:
    """The image whose ``pixels`` these are, of the size of another: a view."""
    batch, _, height, width = like.shape
    return matrix.view(batch, height, width, -1).permute(0, 3, 1, 2)


def matrix(weight: Tensor) -> Tensor:
    """Weights of a 1×1 convolution, (D, C, 1, 1), as (D, C)."""
    return weight.flatten(1)


def apply(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, added: Tensor | None = None) -> Tensor:
    """A layer's results, and what is ``added`` to them: (N, C), (D, C), (D,) and (N, D) → (N, D), without gradients."""
    if added is not None:
        return torch.addmm(added, x, weight.t()) if bias is None else (added + bias).addmm_(x, weight.t())
    return x @ weight.t() if bias is None else torch.addmm(bias, x, weight.t())


def gradients(grad: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of a layer's weights, in their shape, and biases, by those of its results, (N, D), and its inputs, (N, C)."""
    return (grad.t() @ x).view_as(weight), grad.sum(0)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = pixels(x)
        ctx.save_for_backward(rows, weight)
        ctx.has_bias = bias is not None
        return image(apply(rows, matrix(weight), bias), like=x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        grad = pixels(grads[0])
        of_weight, of_bias = gradients(grad, rows, weight)
        of_x = image(apply(grad, matrix(weight).t()), like=grads[0])
        return of_x, of_weight, of_bias if ctx.has_bias else None
