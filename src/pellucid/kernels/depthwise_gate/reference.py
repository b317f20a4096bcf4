"""Gates by PyTorch's operators."""

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

Gate = Literal["feature-refinement", "gated-depthwise", "linear"]
GATES: tuple[Gate, ...] = get_args(Gate)  # as ``Gate`` of depthwise.h


def gate(expanded: Tensor, depthwise: nn.Module, kind: Gate) -> Tensor:
    """Convolve and multiply the halves a and b of an expansion: (B, 2E, H, W) → (B, E, H, W).

    ``feature-refinement``: gelu(depthwise(gelu(a))) · gelu(b), AST §3.3. ``gated-depthwise``: gelu(a') · b', halves of
    depthwise(expanded), Restormer §3.2. ``linear``: depthwise(a) · b, ASTv2.
    """
    if kind == "feature-refinement":
        expanded = F.gelu(expanded)
    if kind == "gated-depthwise":
        gate, value = depthwise(expanded).chunk(2, dim=1)
    else:
        gate, value = expanded.chunk(2, dim=1)
        gate = depthwise(gate)
    return (gate if kind == "linear" else F.gelu(gate)) * value
