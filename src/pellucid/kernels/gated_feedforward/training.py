"""Half a transformer block in training on a CPU: x + feedforward(norm(x)), forward and backward, as one step.

Its specification is ``blocks.transformer.TransformerBlock`` with ``FRFN``. What PyTorch would do between the kernels
and the matrix products (putting channels together and apart, adding gradients, copying them to other layouts) is done
by these as they go.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.kernels import dispatch
from pellucid.kernels.convolution import products
from pellucid.kernels.convolution.products import apply, gradients, image, matrix, pixels
from pellucid.kernels.depthwise_gate import op as depthwise_gate
from pellucid.kernels.layer_norm import op as layer_norm

GATE = "feature-refinement"


def applies(x: Tensor, expand: nn.Conv2d) -> bool:
    """Whether ``add`` can do this: in training, where the kernels run."""
    return products.applies(x, expand) and layer_norm.applies(x) and depthwise_gate.applies(x, expand.weight, GATE)


def add(
    x: Tensor, norm: dispatch.Norm, expand: nn.Conv2d, depthwise: nn.Conv2d, project: nn.Conv2d, refine: Tensor
) -> Tensor:
    """As ``gated_feedforward.add`` with the gate ``GATE``, in float32, with gradients.

    All layers and the norm have biases; ``refine`` are filters (P, P, 3, 3), of the first P channels.
    """
    parameters = [p for layer in (norm, expand, depthwise, project) for p in (layer.weight, layer.bias)]
    result: Tensor = _Add.apply(x, norm.eps, refine, *parameters)  # pyright: ignore[reportAssignmentType]
    return result


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, refine: Tensor, *parameters: Tensor) -> Tensor:
        norm, norm_bias, expand, expand_bias, depthwise, depthwise_bias, project, project_bias = parameters
        x = dispatch.channels_last(x)
        seen = layer_norm.forward(x, norm, norm_bias, eps)
        # a view of one pixel would be overwritten
        some = seen[:, : len(refine)].clone(memory_format=torch.channels_last)
        seen[:, : len(refine)] = F.conv2d(some, refine, padding=1)
        expanded = image(apply(pixels(seen), matrix(expand), expand_bias), like=x)
        gated = depthwise_gate.forward(expanded, depthwise, depthwise_bias, GATE)
        ctx.save_for_backward(x, some, seen, expanded, gated, norm, refine, expand, depthwise, depthwise_bias, project)
        ctx.eps = eps
        return image(apply(pixels(gated), matrix(project), project_bias, added=pixels(x)), like=x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, some, seen, expanded, gated, norm, refine, expand, depthwise, depthwise_bias, project = ctx.saved_tensors
        grad = dispatch.channels_last(grads[0])
        of_project = gradients(pixels(grad), pixels(gated), project)
        of_gated = image(apply(pixels(grad), matrix(project).t()), like=x)
        of_expanded, *of_depthwise = depthwise_gate.backward(expanded, depthwise, depthwise_bias, GATE, of_gated)
        of_expanded = pixels(of_expanded)
        of_expand = gradients(of_expanded, pixels(seen), expand)
        of_seen = image(apply(of_expanded, matrix(expand).t()), like=x)
        of_refined = dispatch.channels_last(of_seen[:, : len(refine)])
        of_some, of_refine = _convolution_gradients(of_refined, some, refine)
        of_seen[:, : len(refine)] = of_some
        of_x, *of_norm = layer_norm.backward(x, norm, ctx.eps, of_seen, added=grad)
        return of_x, None, of_refine, *of_norm, *of_expand, *of_depthwise, *of_project


def _convolution_gradients(grad: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of the input and the weights of a 3×3 convolution, padded with zeros, without biases."""
    one = [1, 1]
    of_x, of_weight, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, one, one, one, False, [0, 0], 1, [True, True, False]
    )
    return of_x, of_weight
