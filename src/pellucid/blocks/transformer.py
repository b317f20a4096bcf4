"""The transformer block that all families share, and stages of it."""

from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pellucid.blocks.memory import Memory, is_watched, is_watched_before


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

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        memory = memory or Memory()
        if self.attention is not None:
            x = self._add(x, self.norm1, self.attention, memory)
        return self._add(x, self.norm2, self.feedforward, memory)

    def _add(self, x: Tensor, norm: nn.Module, branch: nn.Module, memory: Memory) -> Tensor:
        added = None if self.training and self.drop_path.rate else memory.add(x, norm, branch)
        return x + self.drop_path(branch(norm(x))) if added is None else added


class Stage(nn.Sequential):
    """Blocks at one resolution. With ``checkpointing`` their activations are recomputed in the backward pass.

    In inference a block may overwrite what the one before has made, and the first one what ``hand_over`` names.
    """

    maker: tuple[nn.Module] | None = None

    def __init__(self, blocks: Iterable[TransformerBlock]) -> None:
        super().__init__(*blocks)
        self.checkpointing = False

    def forward(self, input: Tensor) -> Tensor:
        x = input
        memory = Memory(owned=self.maker is not None and not (is_watched(self.maker[0]) or is_watched_before(self)))
        for block in self:
            if self.checkpointing and self.training:
                x = cast(Tensor, checkpoint(block, x, use_reentrant=False))
            else:
                x = memory.through(block, x)
        return x


def hand_over(makers: Iterable[nn.Module], stages: Iterable[nn.Module]) -> None:
    """Let each stage overwrite what its maker gives it, in inference, unless a hook on the maker may have kept it.

    The network must not use that image again; whoever calls such a stage by itself must not either.
    """
    for maker, stage in zip(makers, stages, strict=True):
        cast(Stage, stage).maker = (maker,)  # in a tuple, for it is no part of the stage


def set_gradient_checkpointing(network: nn.Module, enabled: bool = True) -> None:
    """Trade time for memory in training: recompute each block in the backward pass instead of storing it."""
    for module in network.modules():
        if isinstance(module, Stage):
            module.checkpointing = enabled
