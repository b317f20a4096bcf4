"""A network on its device: tiles in, restored tiles out, one forward pass at a time."""

from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.errors import ConfigError
from pellucid.imaging import to_float
from pellucid.inference.backends import Forward, eager, open_backend
from pellucid.inference.tilesize import TileSizes
from pellucid.kernels.dispatch import has_kernels


@dataclass
class Runner:
    """What runs a network.

    Attributes:
        network: in eval mode, on the device.
        device: where it is.
        precision, backend: names that were resolved.
    """

    network: nn.Module
    device: torch.device
    precision: str
    backend: str
    _forward: Forward = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._forward = open_backend(self.backend, self.network, self.device, self.precision)

    @property
    def config(self) -> Any:
        """The network's."""
        return self.network.config

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes."""
        return int(self.config.in_channels)

    def channels_out(self, channels: int) -> int:
        """Channels of the result for an image of so many: another number only for dual-pixel networks."""
        return channels if 1 in (channels, self.channels) else int(self.config.out_channels)

    @property
    def is_exact(self) -> bool:
        """Whether nothing computes more exactly."""
        return (self.precision, self.backend) == ("fp32", "torch")

    @property
    def sizes(self) -> TileSizes:
        """Which tiles suit it."""
        on_cpu = self.device.type == "cpu"
        fused = on_cpu and self.backend == "torch" and self.precision != "fp16" and has_kernels()
        weights = sum(parameter.nbytes for parameter in self.network.parameters())
        return TileSizes(config=self.config, device=self.device, weights=weights, fused=fused)

    def run(self, tiles: NDArray[Any]) -> Tensor:
        """One forward pass: (N, H, W, C) of any depth → float32 (N, H, W, C) on the CPU."""
        return self._run(tiles, self._forward)

    def run_exactly(self, tiles: NDArray[Any]) -> Tensor:
        """As ``run``, in float32 by PyTorch."""
        return self._run(tiles, eager(self.network, self.device, "fp32"))

    def images(self, tiles: NDArray[Any]) -> Tensor:
        """(N, H, W, C) of any depth → (B, C, H, W) with the network's number of channels, on its device."""
        images = torch.from_numpy(to_float(tiles)).to(self.device).permute(0, 3, 1, 2)
        if self.channels == 1:
            return images.flatten(0, 1)[:, None]
        return images.expand(-1, self.channels, -1, -1) if images.shape[1] == 1 else images

    @torch.inference_mode()
    def _run(self, tiles: NDArray[Any], forward: Forward) -> Tensor:
        restored = forward(self.images(tiles)).float()
        count, _, _, channels = tiles.shape
        if self.channels == 1:
            restored = restored[:, 0].unflatten(0, (count, channels))
        elif channels == 1:
            restored = restored.mean(dim=1, keepdim=True)
        return restored.permute(0, 2, 3, 1).cpu()


def find_device(device: str | torch.device) -> torch.device:
    """A device that is there; "auto" is a GPU if there is one.

    Raises:
        ConfigError: it cannot be used.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found).item()
    except Exception as error:  # each kind of device has its own way of not being there
        raise ConfigError(f"device '{device}' cannot be used: {str(error).splitlines()[0][:100]}") from None
    return found
