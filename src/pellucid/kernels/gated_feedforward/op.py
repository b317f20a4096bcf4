"""A gated feed-forward network in one pass, for inference.

Its specifications are x + feedforward(norm(x)) with ``FRFN``, ``GDFN`` and ``GroupedFRFN`` of ``blocks.feedforward``.
"""

from torch import Tensor, nn

from pellucid.kernels import dispatch
from pellucid.kernels.depthwise_gate.reference import GATES, Gate
from pellucid.kernels.entry import Entry

SOURCE = "gated_feedforward"
WIDEST = 128  # channels: beyond, the weights no longer fit the cache beside the pixels, and oneDNN's layers are quicker
NARROWEST = 32  # channels, for AMX: with fewer, most of a tile would be empty

_add = Entry(
    SOURCE,
    "add",
    "shape:7 gate:integer norm:floats norm_bias:floats? eps:number numbers:products x:image refine:floats? "
    "expand:floats expand_bias:floats? depthwise:floats depthwise_bias:floats? project:floats project_bias:floats? "
    "out:image",
    on="x",
    narrowest=NARROWEST,
)


def applies(x: Tensor, expand: nn.Conv2d) -> bool:
    """Whether the kernel can do this, and is quicker: on CPUs, for it has no backward pass and no twin in Triton."""
    dtype = dispatch.after_convolution(x)
    fits = expand.in_channels <= WIDEST and not dispatch.on_gpu(x)
    return fits and dispatch.is_inference(x, expand.weight) and dispatch.applies(SOURCE, x, dtype)


def add(
    x: Tensor,
    norm: dispatch.Norm,
    expand: nn.Conv2d,
    depthwise: nn.Conv2d,
    project: nn.Conv2d,
    *,
    gate: Gate,
    refine: Tensor | None = None,
    into: Tensor | None = None,
) -> Tensor:
    """X + project(gated), where gated is what ``depthwise_gate.reference.gate`` makes of expand(norm(x)).

    Args:
        x: (B, C, H, W), float32 or bfloat16; all but the linear layers' products (``dispatch.numbers``) is done in
            float32.
        expand, project: 1×1 convolutions, C → 2E and E → C, with biases or without.
        depthwise: 3×3, of E channels; of 2E for ``gated-depthwise``.
        gate: which.
        refine: filters of a convolution between ``norm`` and ``expand``: (P, P, 3, 3), of the first P channels, or
            (C, 1, 3, 3), of each by itself.
        into: what to write the result to; not x, whose rows are read again for those below.

    Returns:
        (B, C, H, W), channels-last, of the type that ``expand`` gives.
    """
    x = dispatch.channels_last(x.to(dispatch.after_convolution(x)))
    batch, dim, height, width = x.shape
    hidden = project.in_channels
    convolved = 2 * hidden if gate == "gated-depthwise" else hidden
    fits = (expand.in_channels, project.out_channels) == (dim, dim) and expand.out_channels == 2 * hidden
    if not fits or depthwise.weight.shape != (convolved, 1, 3, 3):
        raise ValueError(f"{expand}, {depthwise} and {project} do not fit {tuple(x.shape)}")
    if refine is not None and refine.shape not in ((dim, 1, 3, 3), (len(refine), len(refine), 3, 3)):
        raise ValueError(f"filters {tuple(refine.shape)} do not fit {tuple(x.shape)}")
    out = dispatch.result_for(x, into)
    refined, seen = (0, 0) if refine is None else refine.shape[:2]
    shape = (batch, height, width, dim, hidden, refined, seen)
    filters = None if refine is None else refine.float().contiguous()
    weights: dict[str, Tensor | None] = {}
    for name, layer in {"expand": expand, "depthwise": depthwise, "project": project}.items():
        weights[name], weights[f"{name}_bias"] = dispatch.weights_of(layer)
    norms = dispatch.weights_of_norm(norm)
    _add(shape=shape, gate=GATES.index(gate), **norms, x=x, refine=filters, **weights, out=out)
    return out
