"""Whether an exported file gives the network's values, at sizes that nothing divides."""

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.errors import ExportError
from pellucid.inference.export.runtimes import Run

SIZES = ((1, 1, 1), (1, 37, 21), (2, 75, 131))  # batch, height, width
TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}  # on the scale of [0, 1]; bf16 has 8 bits to a number


def check(network: nn.Module, run: Run, precision: str) -> dict[str, float]:
    """The greatest difference from PyTorch in float32, by size ("37x21", width last).

    Raises:
        ExportError: it is more than the precision explains, or the result is of another size.
    """
    differences = differences_at(network, run)
    worst = max(differences.values())
    if not worst <= TOLERANCES[precision]:  # NaN fails too
        raise ExportError(f"the exported network differs from PyTorch's by {worst:.2g}; nothing was written")
    return differences


@torch.inference_mode()
def differences_at(network: nn.Module, run: Run) -> dict[str, float]:
    """The greatest difference between a network and its file, by size; infinite where the shapes differ.

    It is on the scale of [0, 1], or of the result's greatest value where that is more.
    """
    weight = next(network.parameters())
    found: dict[str, float] = {}
    for batch, height, width in SIZES:
        images = picture(batch, int(network.config.in_channels), height, width)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
        expected = network(images.to(weight.device)).cpu().numpy()
        given = run(images.numpy())
        same = given.shape == expected.shape
        extent = max(float(np.abs(expected).max()), 1.0)
        found[f"{height}x{width}"] = float(np.abs(given - expected).max()) / extent if same else np.inf
    return found


def picture(batch: int, channels: int, height: int, width: int) -> Tensor:
    """Waves and some noise, (B, C, H, W) in [0, 1], the same every time."""
    noise = torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    y, x = torch.arange(height)[:, None], torch.arange(width)[None, :]
    return 0.4 + 0.2 * torch.sin(0.1 * x + 0.07 * y) + 0.3 * noise
