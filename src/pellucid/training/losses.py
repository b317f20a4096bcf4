"""What training minimises."""

from torch import Tensor


def charbonnier(prediction: Tensor, target: Tensor, *, eps: float = 1e-3) -> Tensor:
    """The mean of √(d² + ε²): L1, smooth around zero, so outliers weigh less than under L2 (AST §4.1)."""
    return ((prediction.float() - target).square() + eps**2).sqrt().mean()
