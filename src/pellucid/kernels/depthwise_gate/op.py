"""A depthwise convolution and a gate in one pass: in C++ for inference, in Triton on GPUs.

Its specification is ``reference.gate``.
"""

from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.entry import Entry

SOURCE = "depthwise_gate"

_TAKES = "shape:4 both:integer half:half expanded:image weights:floats biases:floats? out:image"
_forward = Entry(SOURCE, "forward", _TAKES, on="expanded")


def applies(expanded: Tensor, weight: Tensor) -> bool:
    """Whether a kernel can do this; the one for CPUs has no backward pass."""
    if dispatch.on_gpu(expanded):
        return dispatch.applies("feature_gate", expanded)  # which tries the same kernel
    return dispatch.is_inference(expanded, weight) and dispatch.applies(SOURCE, expanded)


def gate(expanded: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """With a and b the halves of ``expanded``: gelu(depthwise(a)) · depthwise(b), or depthwise(a) · b.

    Args:
        expanded: (B, 2E, H, W), float32 or bfloat16; arithmetic is float32.
        weight, bias: of the convolution, (2E, 1, 3, 3) and (2E,) for the first, (E, 1, 3, 3) and (E,) for the second.

    Returns:
        (B, E, H, W), channels-last, of the same type.
    """
    expanded = dispatch.channels_last(expanded)
    batch, channels, height, width = expanded.shape
    both = len(weight) == channels
    if channels % 2 or weight.shape != (channels if both else channels // 2, 1, 3, 3):
        raise ValueError(f"filters {tuple(weight.shape)} do not fit {tuple(expanded.shape)}")
    if dispatch.on_gpu(expanded):
        from pellucid.kernels.depthwise_gate import triton  # needs Triton

        return triton.gate(expanded, weight, bias, triton.GDFN if both else triton.GROUPED_FRFN)
    out = expanded.new_empty(batch, height, width, channels // 2).permute(0, 3, 1, 2)
    shape = (batch, height, width, channels // 2)
    weights, biases = weight.float().contiguous(), None if bias is None else bias.float().contiguous()
    _forward(shape=shape, both=both, expanded=expanded, weights=weights, biases=biases, out=out)
    return out
