"""Weights in 8 bits: half the size of float16, for a package that carries many of them.

Each convolution's filter is stored as whole numbers from -127 to 127 and one scale, so that its largest weight is kept
exactly and the others to half a step (symmetric quantisation for each channel: Krishnamoorthi, "Quantizing deep
convolutional networks for efficient inference", 2018). Networks compute with floats made of these.
"""

import torch
from torch import Tensor

SCALE = ".scale_of_8_bits"  # what the tensor beside one of whole numbers is called
LARGEST = 127


def to_eight_bits(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Filters (out, in, height, width) as int8 with their scales (out, 1, 1, 1); all else as float16."""
    stored: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if tensor.dim() != 4:
            stored[key] = tensor.half()
            continue
        scale = tensor.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST
        stored[key] = (tensor / scale).round().to(torch.int8)
        stored[key + SCALE] = scale
    return stored


def from_eight_bits(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Floats of what ``to_eight_bits`` made; other tensors as they are."""
    return {
        key: tensor.float() * stored[key + SCALE] if key + SCALE in stored else tensor
        for key, tensor in stored.items()
        if not key.endswith(SCALE)
    }
