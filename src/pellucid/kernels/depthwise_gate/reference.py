"""Restormer's and ASTv2's gates by PyTorch's operators."""

from torch import Tensor, nn
from torch.nn import functional as F


def gate(expanded: Tensor, depthwise: nn.Conv2d) -> Tensor:
    """(B, 2E, H, W) → (B, E, H, W), a and b being halves: of depthwise(expanded), if that takes all 2E channels.

    gelu(a) · b then; else they are halves of ``expanded``, and it is depthwise(a) · b, without an activation.
    """
    if depthwise.in_channels == expanded.shape[1]:
        gate, value = depthwise(expanded).chunk(2, dim=1)
        return F.gelu(gate) * value
    gate, value = expanded.chunk(2, dim=1)
    return depthwise(gate) * value
