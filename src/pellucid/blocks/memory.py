"""Which images a stage of a network may overwrite, and how large ones are spared: the only place that decides.

In inference, blocks go back and forth between two images instead of making new ones, and what is inside of a branch,
several times as large as its result, is made in strips.
"""

from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from pellucid.blocks.norm import Norm
from pellucid.kernels.dispatch import after_convolution, holds, is_inference, is_traced, new_image

STRIP_VALUES = 2**22  # pixels times channels of a strip; inside of a branch there are a dozen times as many


class Memory:
    """Of one pass through a stage.

    Attributes:
        owned: whether nobody but the stage has the image at hand, so that it may be overwritten.
    """

    def __init__(self, *, owned: bool = False) -> None:
        self.owned = owned
        self._free: list[Tensor] = []

    def through(self, block: nn.Module, x: Tensor) -> Tensor:
        """What a block, which takes a memory too, makes of an image."""
        self.owned = self.owned and not is_watched_before(block)
        x = block(x, self)
        self.owned = not is_watched(block)
        return x

    def add(self, x: Tensor, norm: nn.Module, branch: nn.Module) -> Tensor | None:
        """X + branch(norm(x)) in less memory than that takes, or None if it does not help; the sum is owned then."""
        added, owned = None, self.owned
        if isinstance(branch, Fusible) and isinstance(norm, Norm):
            added = branch.added_to(x, norm, self)
            if owned and added is not None and added is not x:
                self.take_back(x)
        if added is None and isinstance(branch, Local) and _goes_in_strips(x, branch):
            added = _add_in_strips(x, norm, branch)
        self.owned = True
        return added

    def like(self, x: Tensor) -> Tensor:
        """Memory for what a convolution makes of an image (B, C, H, W) without changing its size, channels-last."""
        dtype = after_convolution(x)
        for i, image in enumerate(self._free):
            if holds(image, x, dtype):
                return self._free.pop(i)
        return new_image(x, dtype)

    def over(self, x: Tensor) -> Tensor:
        """As ``like``, but the image itself if that may be."""
        return x if self.owned and holds(x, x, after_convolution(x)) else self.like(x)

    def take_back(self, x: Tensor) -> None:
        """Let an image be overwritten."""
        self._free.append(x)


@runtime_checkable
class Fusible(Protocol):
    """A branch that some kernel computes together with what is around it."""

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """X + self(norm(x)), in what ``memory`` gives, or None where the kernel does not apply."""
        ...


@runtime_checkable
class Local(Protocol):
    """A branch whose result at a pixel depends on pixels no farther away than this."""

    reach: int


def is_watched(module: nn.Module) -> bool:
    """Whether somebody may have kept what a module gave, by a hook on it or on the last of its parts."""
    if isinstance(module, nn.Sequential) and len(module) and is_watched(module[-1]):
        return True
    return bool(module._forward_hooks)  # pyright: ignore[reportPrivateUsage]


def is_watched_before(module: nn.Module) -> bool:
    """Whether somebody may have kept what a module was given."""
    return bool(module._forward_pre_hooks)  # pyright: ignore[reportPrivateUsage]


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
