"""A gated feed-forward network in one pass (``gated_feedforward.cpp``), for inference in float32.

Its specifications are ``FRFN``, ``GDFN`` and ``GroupedFRFN`` in ``blocks.feedforward``, from their first linear layer
to their last; they run on PyTorch's operators wherever this does not.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch

SOURCE = "gated_feedforward"
GATES = ("feature-refinement", "gated-depthwise", "linear")
WIDEST = 96  # channels: beyond, the weights no longer fit the cache beside the pixels, and oneDNN's layers are quicker

Gate = Literal["feature-refinement", "gated-depthwise", "linear"]


def applies(x: Tensor, expand: nn.Conv2d) -> bool:
    """Whether the kernel can do this, and is quicker; it has no backward pass."""
    return (
        expand.in_channels <= WIDEST
        and dispatch.is_inference(x, expand.weight)
        and dispatch.after_convolution(x) == torch.float32
        and dispatch.applies(SOURCE, x)
    )


def forward(x: Tensor, expand: nn.Conv2d, depthwise: nn.Conv2d, project: nn.Conv2d, gate: Gate) -> Tensor:
    """With a and b the halves of expand(x), project their product, passed through a gate.

    ``feature-refinement``: gelu(depthwise(gelu(a))) · gelu(b). ``gated-depthwise``: gelu(a') · b', halves of
    depthwise(expand(x)). ``linear``: depthwise(a) · b.

    Args:
        x: (B, C, H, W), float32.
        expand, project: 1×1 convolutions, C → 2E and E → C, with biases or without.
        depthwise: 3×3, of E channels; of 2E for ``gated-depthwise``.
        gate: which.

    Returns:
        (B, C, H, W), float32, channels-last.
    """
    x = dispatch.channels_last(x)
    batch, dim, height, width = x.shape
    hidden = project.in_channels
    convolved = 2 * hidden if gate == "gated-depthwise" else hidden
    fits = (expand.in_channels, project.out_channels) == (dim, dim) and expand.out_channels == 2 * hidden
    if not fits or depthwise.weight.shape != (convolved, 1, 3, 3):
        raise ValueError(f"{expand}, {depthwise} and {project} do not fit {tuple(x.shape)}")
    out = x.new_empty(batch, height, width, dim).permute(0, 3, 1, 2)
    weights: list[Tensor | None] = []
    for layer in (expand, depthwise, project):
        bias = None if layer.bias is None else layer.bias.float().contiguous()
        weights += [layer.weight.float().contiguous(), bias]
    dispatch.run(SOURCE, "forward", (batch, height, width, dim, hidden), GATES.index(gate), x, *weights, out)
    return out
