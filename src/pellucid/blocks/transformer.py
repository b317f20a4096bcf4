"""The transformer block that all families share, and stages of it."""

from collections.abc import Iterable
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pellucid.blocks.norm import Norm
from pellucid.kernels.dispatch import Workspace, is_inference, is_traced

STRIP_VALUES = 2**22  # pixels times channels of a strip; inside of a branch there are a dozen times as many


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

    def added_to(self, x: Tensor, norm: Norm, space: Workspace, *, owned: bool) -> Tensor | None:
        """X + self(norm(x)), or None where the kernel does not apply; x may be overwritten if it is ``owned``."""
        ...


@runtime_checkable
class Local(Protocol):
    """A branch whose result at a pixel depends on pixels no farther away than this."""

    reach: int


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

    def forward(self, x: Tensor, space: Workspace | None = None, *, owned: bool = False) -> Tensor:
        """Both branches, one after the other; in inference, x may be overwritten if it is ``owned``."""
        space = space or Workspace()
        if self.attention is not None:
            x, owned = self._add(x, self.norm1, self.attention, space, owned=owned), True
        return self._add(x, self.norm2, self.feedforward, space, owned=owned)

    def _add(self, x: Tensor, norm: nn.Module, branch: nn.Module, space: Workspace, *, owned: bool) -> Tensor:
        """X + branch(norm(x))."""
        if not (self.training and self.drop_path.rate):
            if isinstance(branch, Fusible) and isinstance(norm, Norm):
                added = branch.added_to(x, norm, space, owned=owned)
                if added is not None:
                    if owned and added is not x:
                        space.take_back(x)
                    return added
            if isinstance(branch, Local) and _goes_in_strips(x, branch):
                return _add_in_strips(x, norm, branch)
        return x + self.drop_path(branch(norm(x)))


class Stage(nn.Sequential):
    """Blocks at one resolution. With ``checkpointing`` their activations are recomputed in the backward pass.

    In inference a block may overwrite what the one before has made, and the first one the stage's input, if that is
    ``owned``: if nobody else has it.
    """

    def __init__(self, blocks: Iterable[TransformerBlock]) -> None:
        super().__init__(*blocks)
        self.checkpointing = False

    def forward(self, input: Tensor, *, owned: bool = False) -> Tensor:
        x, space = input, Workspace()
        for block in self:
            if self.checkpointing and self.training:
                x = cast(Tensor, checkpoint(block, x, use_reentrant=False))
            else:
                x = block(x, space, owned=owned and not block._forward_pre_hooks)
            owned = not is_watched(block)
        return x


def is_watched(module: nn.Module) -> bool:
    """Whether somebody may have kept what a module gave, by a hook on it or on the last of its parts."""
    if isinstance(module, nn.Sequential) and len(module) and is_watched(module[-1]):
        return True
    return bool(module._forward_hooks)  # pyright: ignore[reportPrivateUsage]


def _goes_in_strips(x: Tensor, branch: Local) -> bool:
    """Whether the image is large, and nothing inside the branch is needed but for its result."""
    large = x[0].numel() >= 2 * STRIP_VALUES and _strip_height(x) >= 8 * branch.reach
    if not large or x.device.type != "cpu" or is_traced():
        return False
    return is_inference(x, *cast(nn.Module, branch).parameters())


def _strip_height(x: Tensor) -> int:
    count = -(-x[0].numel() // STRIP_VALUES)
    return -(-x.shape[2] // count)


def _add_in_strips(x: Tensor, norm: nn.Module, branch: Local) -> Tensor:
    """X + branch(norm(x)), a few rows at a time: what is inside the branch is several times as large as its result."""
    out = None
    height, reach = _strip_height(x), branch.reach
    for top in range(0, x.shape[2], height):
        bottom = min(top + height, x.shape[2])
        first, last = max(top - reach, 0), min(bottom + reach, x.shape[2])
        made = cast(nn.Module, branch)(norm(x[:, :, first:last]))
        made = x[:, :, top:bottom] + made[:, :, top - first : bottom - first]
        if out is None:
            out = torch.empty_like(x, dtype=made.dtype)
        out[:, :, top:bottom] = made
    return cast(Tensor, out)


def set_gradient_checkpointing(network: nn.Module, enabled: bool = True) -> None:
    """Trade time for memory in training: recompute each block in the backward pass instead of storing it."""
    for module in network.modules():
        if isinstance(module, Stage):
            module.checkpointing = enabled
