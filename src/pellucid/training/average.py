"""The running average of the weights, which is what validation and users see."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


class WeightAverage:
    """An exponential moving average of a network's parameters, split over processes as they are.

    Attributes:
        values: parameter name → average.
    """

    def __init__(self, network: nn.Module) -> None:
        self.values = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module, decay: float) -> None:
        """Values ← decay · values + (1 - decay) · parameters."""
        for name, parameter in network.named_parameters():
            self.values[name].lerp_(parameter, 1 - decay)

    def full(self) -> dict[str, Tensor]:
        """The whole average, on every process: all must call it."""
        return {name: whole(value) for name, value in self.values.items()}

    @torch.no_grad()
    def load(self, full: Mapping[str, Tensor]) -> None:
        """Take over what ``full`` gave."""
        for name, value in self.values.items():
            assign(value, full[name])


def whole(tensor: Tensor) -> Tensor:
    """A tensor, put together from all processes if it is split over them."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assign(target: Tensor, full: Tensor) -> None:
    """Copy a whole tensor into one that may be split over processes."""
    full = full.to(target.device, target.dtype)
    if isinstance(target, DTensor):
        full = distribute_tensor(full, target.device_mesh, target.placements)
    target.copy_(full)
