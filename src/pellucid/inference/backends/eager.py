"""PyTorch itself."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Activations in this precision; the weights stay float32."""
    return torch.autocast(device.type, PRECISIONS[precision], enabled=precision != "fp32")


def eager(network: nn.Module, device: torch.device, precision: str) -> Callable[[Tensor], Tensor]:
    """A network as PyTorch runs it, operator by operator."""

    def forward(images: Tensor) -> Tensor:
        with autocast(device, precision):
            return network(images)

    return forward
