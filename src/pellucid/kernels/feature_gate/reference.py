"""AST's gate by PyTorch's operators."""

from torch import Tensor, nn
from torch.nn import functional as F


def gate(expanded: Tensor, depthwise: nn.Module) -> Tensor:
    """gelu(depthwise(gelu(a))) · gelu(b), a and b the halves of ``expanded``: (B, 2E, H, W) → (B, E, H, W)."""
    gate, value = F.gelu(expanded).chunk(2, dim=1)
    return F.gelu(depthwise(gate)) * value
