"""What a network costs, counted without running it: on PyTorch's meta device, which has shapes but no data."""

import weakref
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from pellucid.blocks.attention import TransposedAttention
from pellucid.blocks.memory import Fusible, Local, Memory
from pellucid.blocks.transformer import TransformerBlock
from pellucid.kernels import window_attention
from pellucid.models.registry import build


def count_parameters(network: nn.Module) -> int:
    """Number of learned scalars."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(config: Any, height: int, width: int) -> int:
    """Multiply-adds of convolutions and matrix products, attention's included, for one image."""
    with torch.device("meta"):
        network = build(config).eval()
        image = torch.empty(1, config.in_channels, height, width)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(image)
    return counter.get_total_flops() // 2


def peak_activation_bytes(config: Any, height: int, width: int, *, fused: bool = False) -> int:
    """The most memory that float32 activations hold at once in a forward pass of one image.

    Weights, the scratch space of kernels and what the allocator cannot use again are not in it.

    Args:
        config: of the network.
        height, width: of the image.
        fused: kernels do a branch of a transformer block in one pass.
    """
    with torch.device("meta"):
        network = build(config).eval()
        image = torch.empty(1, config.in_channels, height, width)
    for block in network.modules() if fused else ():
        if isinstance(block, TransformerBlock):
            for name in ("attention", "feedforward"):
                if isinstance(getattr(block, name), Fusible):
                    setattr(block, name, _InOnePass(getattr(block, name)))
    with _LiveBytes() as live, torch.inference_mode():
        network(image)
    return live.peak


class _InOnePass(nn.Module):
    """A branch of which a kernel leaves no more in memory than values, in transposed attention, and the result."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x)

    def added_to(self, x: Tensor, norm: nn.Module, memory: Memory) -> Tensor:
        if isinstance(self.branch, Local):  # in one pass where it is narrow, in strips where it is not
            return memory.like(x)
        if isinstance(self.branch, TransposedAttention):
            memory.take_back(memory.like(x))  # the values
        elif x.shape[1] > window_attention.WIDEST:  # normalised, queries, keys, values and what is made of them
            torch.cat([x] * 5, dim=1)
        return memory.over(x)


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages that operations make, and takes them off again when they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: WeakSet[torch.UntypedStorage] = WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, storage.nbytes())

    def _freed(self, count: int) -> None:
        self.now -= count
