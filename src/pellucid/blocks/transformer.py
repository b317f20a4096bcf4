"""The transformer block that all families share, and stages of it."""

from collections.abc import Iterable
from typing import Protocol, cast, runtime_checkable

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pellucid.blocks.norm import Norm


class DropPath(nn.Module):
    """Stochastic depth: in training, drop a residual branch for a sample with probability ``rate``."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return branch
        kept = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(1 - self.rate)
        return branch * kept / (1 - self.rate)


@runtime_checkable
class Fusible(Protocol):
    """A branch that some kernel computes together with what is around it."""

    def added_to(self, x: Tensor, norm: Norm) -> Tensor | None:
        """X + self(norm(x)), or None where the kernel does not apply."""
        ...


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)): (B, C, H, W) → (B, C, H, W).

    ``attention`` may be None, as in the encoders of AST and ASTv2.
    """

    def __init__(
        self,
        dim: int,
        attention: nn.Module | None,
        feedforward: nn.Module,
        *,
        norm: type[nn.Module],
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = attention
        if attention is not None:
            self.norm1 = norm(dim)
        self.norm2 = norm(dim)
        self.feedforward = feedforward
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        if self.attention is not None:
            x = self._add(x, self.norm1, self.attention)
        return self._add(x, self.norm2, self.feedforward)

    def _add(self, x: Tensor, norm: nn.Module, branch: nn.Module) -> Tensor:
        """X + branch(norm(x))."""
        if isinstance(branch, Fusible) and isinstance(norm, Norm) and not self.training:
            added = branch.added_to(x, norm)
            if added is not None:
                return added
        return x + self.drop_path(branch(norm(x)))


class Stage(nn.Sequential):
    """Blocks at one resolution. With ``checkpointing`` their activations are recomputed in the backward pass."""

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__(*blocks)
        self.checkpointing = False

    def forward(self, input: Tensor) -> Tensor:
        x = input
        for block in self:
            recompute = self.checkpointing and self.training
            x = cast(Tensor, checkpoint(block, x, use_reentrant=False)) if recompute else block(x)
        return x


def set_gradient_checkpointing(network: nn.Module, enabled: bool = True) -> None:
    """Trade time for memory in training: recompute each block in the backward pass instead of storing it."""
    for module in network.modules():
        if isinstance(module, Stage):
            module.checkpointing = enabled
