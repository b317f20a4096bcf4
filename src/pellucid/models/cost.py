"""What a network costs, counted without running it: on PyTorch's meta device, which has shapes but no data."""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pellucid.models.registry import build


def count_parameters(network: nn.Module) -> int:
    """Number of learned scalars."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(config: Any, height: int, width: int) -> int:
    """Multiply-adds of convolutions and matrix products, attention's included, for one image."""
    with torch.device("meta"):
        network = build(config).eval()
        image = torch.empty(1, image_channels(config), height, width)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(image)
    return counter.get_total_flops() // 2


def image_channels(config: Any) -> int:
    """Channels of the images that a network of this config takes."""
    return config.in_channels if hasattr(config, "in_channels") else config.channels
