"""Feed-forward networks: what a transformer block does at each pixel after attention.

All map (B, C, H, W) to (B, C, H, W) through ``hidden`` channels; GELU is the exact one (erf).
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.blocks.convolution import Pointwise
from pellucid.blocks.memory import Memory
from pellucid.blocks.norm import Norm
from pellucid.kernels import depthwise_gate, feature_gate, gated_feedforward
from pellucid.kernels.depthwise_gate import reference as depthwise_reference
from pellucid.kernels.feature_gate import reference as feature_reference
from pellucid.kernels.gated_feedforward import training


def _depthwise(dim: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=bias)


class FFN(nn.Module):
    """The plain one: expand, GELU, project (Vision Transformer)."""

    reach = 0  # pixels: see ``memory.Local``

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Pointwise(dim, hidden)
        self.fc2 = Pointwise(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LeFF(nn.Module):
    """Locally enhanced: a depthwise convolution between two GELUs (Uformer §3.2)."""

    reach = 1  # pixels: see ``memory.Local``

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.expand = Pointwise(dim, hidden)
        self.depthwise = _depthwise(hidden)
        self.project = Pointwise(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.expand(x))
        return self.project(F.gelu(self.depthwise(x)))


class DFN(nn.Module):
    """Depthwise: GDFN without its gate (Restormer's ablation)."""

    reach = 1  # pixels: see ``memory.Local``

    def __init__(self, dim: int, hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.expand = Pointwise(dim, hidden, bias=bias)
        self.depthwise = _depthwise(hidden, bias=bias)
        self.project = Pointwise(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(F.gelu(self.depthwise(self.expand(x))))


class GDFN(nn.Module):
    """Gated depthwise: one half, through GELU, gates the other (Restormer §3.2)."""

    reach = 1  # pixels: see ``memory.Local``
    kernel = depthwise_gate
    fused = gated_feedforward

    def __init__(self, dim: int, hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.expand = Pointwise(dim, 2 * hidden, bias=bias)
        self.depthwise = _depthwise(2 * hidden, bias=bias)
        self.project = Pointwise(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.expand(x)
        if self.kernel.applies(x, self.depthwise.weight):
            return self.project(self.kernel.gate(x, self.depthwise.weight, self.depthwise.bias))
        return self.project(depthwise_reference.gate(x, self.depthwise))

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """See ``memory.Fusible``; never overwrites x, whose rows are read again for those below."""
        if not self.fused.applies(x, self.expand):
            return None
        layers = self.expand, self.depthwise, self.project
        return self.fused.add(x, norm, *layers, gate="gated-depthwise", into=memory.like(x))


class FRFN(nn.Module):
    """Feature refinement: a partial convolution finds what matters, a gate drops the rest (AST §3.3).

    The published weights, which this follows, differ from the paper's text: the depthwise convolution
    is on the first half, and GELU follows the expansion instead of the gate.

    Args:
        dim, hidden: width, and width inside.
        partial, depthwise: False leaves out that convolution, as in the paper's ablation.
    """

    reach = 2  # pixels: see ``memory.Local``
    kernel = feature_gate
    fused = gated_feedforward

    def __init__(self, dim: int, hidden: int, *, partial: bool = True, depthwise: bool = True) -> None:
        super().__init__()
        self.partial_dim = dim // 4
        if partial:
            self.partial = nn.Conv2d(self.partial_dim, self.partial_dim, 3, padding=1, bias=False)
        else:
            self.partial = None
        self.expand = Pointwise(dim, 2 * hidden)
        self.depthwise = _depthwise(hidden) if depthwise else nn.Identity()
        self.project = Pointwise(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.partial is not None:
            x = torch.cat([self.partial(x[:, : self.partial_dim]), x[:, self.partial_dim :]], dim=1)
        x = self.expand(x)
        if isinstance(self.depthwise, nn.Conv2d) and self.depthwise.bias is not None and self.kernel.applies(x):
            return self.project(self.kernel.gate(x, self.depthwise.weight, self.depthwise.bias))
        return self.project(feature_reference.gate(x, self.depthwise))

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """See ``memory.Fusible``; never overwrites x, whose rows are read again for those below."""
        if not isinstance(self.depthwise, nn.Conv2d):
            return None
        layers = self.expand, self.depthwise, self.project
        if self.partial is not None and norm.bias is not None and training.applies(x, self.expand):
            return training.add(x, norm, *layers, self.partial.weight)
        if not self.fused.applies(x, self.expand):
            return None
        return self.fused.add(
            x,
            norm,
            *layers,
            gate="feature-refinement",
            refine=None if self.partial is None else self.partial.weight,
            into=memory.like(x),
        )


class GroupedFRFN(nn.Module):
    """ASTv2's feature refinement: every channel group is refined in part, by shared filters.

    Channels form 12 consecutive groups; the first half of each passes a depthwise convolution whose
    weights all groups share. ``dim`` must be a multiple of 24.
    """

    reach = 2  # pixels: see ``memory.Local``
    kernel = depthwise_gate
    fused = gated_feedforward
    GROUPS = 12

    def __init__(self, dim: int, hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.partial_dim = dim // (2 * self.GROUPS)
        self.partial = _depthwise(self.partial_dim, bias=False)
        self.expand = Pointwise(dim, 2 * hidden, bias=bias)
        self.depthwise = _depthwise(hidden, bias=bias)
        self.project = Pointwise(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.expand(self._refine(x))
        if self.kernel.applies(x, self.depthwise.weight):
            return self.project(self.kernel.gate(x, self.depthwise.weight, self.depthwise.bias))
        return self.project(depthwise_reference.gate(x, self.depthwise))

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """See ``memory.Fusible``; never overwrites x, whose rows are read again for those below."""
        if not self.fused.applies(x, self.expand):
            return None
        layers = self.expand, self.depthwise, self.project
        return self.fused.add(x, norm, *layers, gate="linear", refine=self._filters(), into=memory.like(x))

    def _refine(self, x: Tensor) -> Tensor:
        groups = rearrange(x, "b (g c) y x -> (b g) c y x", g=self.GROUPS)
        refined = self.partial(groups[:, : self.partial_dim])
        groups = torch.cat([refined, groups[:, self.partial_dim :]], dim=1)
        x = rearrange(groups, "(b g) c y x -> b (g c) y x", g=self.GROUPS)
        return x.contiguous(memory_format=torch.channels_last)

    def _filters(self) -> Tensor:
        """``_refine`` as one depthwise convolution, (C, 1, 3, 3): half of each group's filters change nothing."""
        unchanged = torch.zeros_like(self.partial.weight)
        unchanged[:, :, 1, 1] = 1
        return torch.cat([self.partial.weight, unchanged]).repeat(self.GROUPS, 1, 1, 1)
