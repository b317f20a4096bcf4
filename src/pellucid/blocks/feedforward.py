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
from pellucid.kernels import depthwise_gate, gated_feedforward
from pellucid.kernels.depthwise_gate import Gate, reference
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


class _Gated(nn.Module):
    """What the networks with a gate share: all that follows ``expand``, and one kernel for everything.

    Attributes:
        gate: which.
        expand, depthwise, project: the layers, with the gate between the last two.
    """

    kernel = depthwise_gate
    fused = gated_feedforward
    gate: Gate
    expand: Pointwise
    depthwise: nn.Module
    project: Pointwise

    def forward(self, x: Tensor) -> Tensor:
        x = self.expand(self.refine(x))
        if isinstance(self.depthwise, nn.Conv2d) and self.kernel.applies(x, self.depthwise.weight, self.gate):
            return self.project(self.kernel.gate(x, self.depthwise.weight, self.depthwise.bias, self.gate))
        return self.project(reference.gate(x, self.depthwise, self.gate))

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """See ``memory.Fusible``; never overwrites x, whose rows are read again for those below."""
        if not isinstance(self.depthwise, nn.Conv2d) or not self.fused.applies(x, self.expand):
            return None
        layers = self.expand, self.depthwise, self.project
        return self.fused.add(x, norm, *layers, gate=self.gate, refine=self.filters(), into=memory.like(x))

    def refine(self, x: Tensor) -> Tensor:
        """What a convolution makes of an image (B, C, H, W) before it is expanded: nothing."""
        return x

    def filters(self) -> Tensor | None:
        """That convolution's weights, as ``gated_feedforward.add`` takes them."""
        return None


class GDFN(_Gated):
    """Gated depthwise: one half, through GELU, gates the other (Restormer §3.2)."""

    reach = 1  # pixels: see ``memory.Local``
    gate = "gated-depthwise"

    def __init__(self, dim: int, hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.expand = Pointwise(dim, 2 * hidden, bias=bias)
        self.depthwise = _depthwise(2 * hidden, bias=bias)
        self.project = Pointwise(hidden, dim, bias=bias)


class FRFN(_Gated):
    """Feature refinement: a partial convolution finds what matters, a gate drops the rest (AST §3.3).

    The published weights, which this follows, differ from the paper's text: the depthwise convolution
    is on the first half, and GELU follows the expansion instead of the gate.

    Args:
        dim, hidden: width, and width inside.
        partial, depthwise: False leaves out that convolution, as in the paper's ablation.
    """

    reach = 2  # pixels: see ``memory.Local``
    gate = "feature-refinement"

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

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """As the others do, and in training."""
        trains = norm.bias is not None and training.applies(x, self.expand)
        if trains and self.partial is not None and isinstance(self.depthwise, nn.Conv2d):
            return training.add(x, norm, self.expand, self.depthwise, self.project, self.partial.weight)
        return super().added_to(x, norm, memory)

    def refine(self, x: Tensor) -> Tensor:
        """Convolve the first quarter of the channels."""
        if self.partial is None:
            return x
        return torch.cat([self.partial(x[:, : self.partial_dim]), x[:, self.partial_dim :]], dim=1)

    def filters(self) -> Tensor | None:
        """Of ``refine``: (C/4, C/4, 3, 3)."""
        return None if self.partial is None else self.partial.weight


class GroupedFRFN(_Gated):
    """ASTv2's feature refinement: every channel group is refined in part, by shared filters.

    Channels form 12 consecutive groups; the first half of each passes a depthwise convolution whose
    weights all groups share. ``dim`` must be a multiple of 24.
    """

    reach = 2  # pixels: see ``memory.Local``
    gate = "linear"
    GROUPS = 12

    def __init__(self, dim: int, hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.partial_dim = dim // (2 * self.GROUPS)
        self.partial = _depthwise(self.partial_dim, bias=False)
        self.expand = Pointwise(dim, 2 * hidden, bias=bias)
        self.depthwise = _depthwise(hidden, bias=bias)
        self.project = Pointwise(hidden, dim, bias=bias)

    def refine(self, x: Tensor) -> Tensor:
        """Convolve the first half of each group."""
        groups = rearrange(x, "b (g c) y x -> (b g) c y x", g=self.GROUPS)
        refined = self.partial(groups[:, : self.partial_dim])
        groups = torch.cat([refined, groups[:, self.partial_dim :]], dim=1)
        x = rearrange(groups, "(b g) c y x -> b (g c) y x", g=self.GROUPS)
        return x.contiguous(memory_format=torch.channels_last)

    def filters(self) -> Tensor | None:
        """``refine`` as one depthwise convolution, (C, 1, 3, 3): half of each group's filters change nothing."""
        unchanged = torch.zeros_like(self.partial.weight)
        unchanged[:, :, 1, 1] = 1
        return torch.cat([self.partial.weight, unchanged]).repeat(self.GROUPS, 1, 1, 1)
