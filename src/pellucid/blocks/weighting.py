"""*How* attention turns logits into weights: the part in which new papers mostly differ.

Each maps logits (..., queries, keys) to weights of the same shape. Those that are a mixture of a dense and a sparse
branch say which (``Mixture``), so that a fused kernel can do their work.
"""

from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mixture(nn.Module):
    """dense · softmax(logits) + sparse · relu(logits)^p, where p is 2 if ``squared``, else 1."""

    squared = True

    def factors(self) -> Tensor:
        """Dense, then sparse: (2,)."""
        raise NotImplementedError


class Softmax(Mixture):
    """The standard dense weighting: every key gets some weight, and they sum to one."""

    def factors(self) -> Tensor:
        return torch.tensor([1.0, 0.0])

    def forward(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=-1)


class Sparse(Mixture):
    """ReLU²: exactly nothing for keys of negative similarity, and not normalised (AST's sparse branch, §3.2)."""

    def factors(self) -> Tensor:
        return torch.tensor([0.0, 1.0])

    def forward(self, logits: Tensor) -> Tensor:
        return F.relu(logits).square()


class AdaptiveSparse(Mixture):
    """A learned mixture of a dense and a sparse branch (AST §3.2).

    The dense branch is softmax, the sparse one ReLU². ``balance`` holds two scalars whose softmax weighs dense, then
    sparse.

    Args:
        squared: False takes ReLU instead, as in the paper's ablation.
    """

    def __init__(self, *, squared: bool = True) -> None:
        super().__init__()
        self.squared = squared
        self.balance = nn.Parameter(torch.ones(2))

    def factors(self) -> Tensor:
        return self.balance.softmax(dim=0)

    def forward(self, logits: Tensor) -> Tensor:
        dense, sparse = self.factors()
        positive = F.relu(logits)
        return dense * logits.softmax(dim=-1) + sparse * (positive.square() if self.squared else positive)


class TopK(nn.Module):
    """Four softmaxes, each over the largest k logits of a row, added with learned weights (DRSformer §3.2)."""

    KEPT = (Fraction(1, 2), Fraction(2, 3), Fraction(3, 4), Fraction(4, 5))

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.full((len(self.KEPT),), 0.2))

    def forward(self, logits: Tensor) -> Tensor:
        keys = logits.shape[-1]
        order = logits.argsort(dim=-1, descending=True)
        weights = torch.zeros_like(logits)
        for scale, kept in zip(self.scales, self.KEPT, strict=True):
            dropped = order[..., max(int(keys * kept), 1) :]
            weights = weights + scale * logits.scatter(-1, dropped, -torch.inf).softmax(dim=-1)
        return weights


class Modulated(nn.Module):
    """Dense weights scaled and shifted by what the sparse branch sees (ASTv2).

    Args:
        keys: length of a row of logits; the map along it is shared by rows and heads.
        bias: whether that map has a bias.
    """

    def __init__(self, keys: int, *, bias: bool = False) -> None:
        super().__init__()
        self.modulate = nn.Linear(keys, 2 * keys, bias=bias)

    def forward(self, logits: Tensor) -> Tensor:
        sparse = F.relu(logits).square()
        scale, shift = self.modulate(F.gelu(sparse) * sparse).chunk(2, dim=-1)
        return logits.softmax(dim=-1) * (1 + scale) + shift
