"""Half a transformer block in training on a CPU: x + project(attention(norm(x))), forward and backward, as one step.

Its specification is ``blocks.transformer.TransformerBlock`` with ``WindowAttention``. What PyTorch would do between the
kernels and the matrix products (adding gradients, copying them to other layouts) is done by these as they go.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch
from pellucid.kernels.convolution import products
from pellucid.kernels.convolution.products import apply, gradients, image, matrix, pixels
from pellucid.kernels.layer_norm import op as layer_norm
from pellucid.kernels.window_attention import op as window_attention
from pellucid.kernels.window_attention.op import Windows


def applies(x: Tensor, query: nn.Conv2d, windows: Windows) -> bool:
    """Whether ``add`` can do this: in training, where the kernels run."""
    return products.applies(x, query) and layer_norm.applies(x) and window_attention.applies(x, windows.heads)


def add(
    x: Tensor,
    norm: dispatch.Norm,
    query: nn.Conv2d,
    key_value: nn.Conv2d,
    project: nn.Conv2d,
    bias: Tensor,
    mixture: Tensor,
    windows: Windows,
    *,
    squared: bool,
) -> Tensor:
    """As ``window_attention.add``, in float32, with gradients; all layers and the norm have biases."""
    parameters = [p for layer in (norm, query, key_value, project) for p in (layer.weight, layer.bias)]
    result: Tensor = _Add.apply(x, norm.eps, *parameters, bias, mixture, windows, squared)  # pyright: ignore[reportAssignmentType]
    return result


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, *arguments: Any) -> Tensor:
        *parameters, bias, mixture, windows, squared = arguments
        norm, norm_bias, query, query_bias, key_value, key_value_bias, project, project_bias = parameters
        x = dispatch.channels_last(x)
        seen = pixels(layer_norm.forward(x, norm, norm_bias, eps))
        q = image(apply(seen, matrix(query), query_bias), like=x)
        kv = image(apply(seen, matrix(key_value), key_value_bias), like=x)
        bias, mixture = bias.float().contiguous(), mixture.float().contiguous()
        mixed = window_attention.forward(q, kv, bias, mixture, windows, squared=squared)
        ctx.save_for_backward(x, seen, q, kv, mixed, norm, query, key_value, project, bias, mixture)
        ctx.settings = eps, windows, squared
        return image(apply(pixels(mixed), matrix(project), project_bias, added=pixels(x)), like=x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, seen, q, kv, mixed, norm, query, key_value, project, bias, mixture = ctx.saved_tensors
        eps, windows, squared = ctx.settings
        grad = dispatch.channels_last(grads[0])
        of_project = gradients(pixels(grad), pixels(mixed), project)
        of_mixed = image(apply(pixels(grad), matrix(project).t()), like=x)
        images = q, kv, bias, mixture, of_mixed
        of_q, of_kv, *of_weighting = window_attention.backward(*images, windows, squared=squared)
        of_q, of_kv = pixels(of_q), pixels(of_kv)
        of_query = gradients(of_q, seen, query)
        of_key_value = gradients(of_kv, seen, key_value)
        of_seen = apply(of_q, matrix(query).t()).addmm_(of_kv, matrix(key_value))
        of_x, *of_norm = layer_norm.backward(x, norm, eps, image(of_seen, like=x), added=grad)
        return of_x, None, *of_norm, *of_query, *of_key_value, *of_project, *of_weighting, None, None
