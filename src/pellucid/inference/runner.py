"""A network on its device: tiles in, restored tiles out, one forward pass at a time."""

from copy import copy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.errors import ConfigError, RestoreError
from pellucid.imaging import to_float
from pellucid.inference.backends import FILES, Forward, autocast, eager, open_backend, resolve_precision
from pellucid.inference.options import RestoreOptions
from pellucid.inference.tilesize import TileSizes
from pellucid.kernels.dispatch import has_kernels
from pellucid.models.detector import pooled_features


@dataclass
class Runner:
    """What runs a network.

    Attributes:
        network: in eval mode, on the device.
        device: where it is.
        precision, backend: names other than "auto".
    """

    network: nn.Module
    device: torch.device
    precision: str
    backend: str
    _forward: Forward = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._forward = open_backend(self.backend, self.network, self.device, self.precision)

    @classmethod
    def of(cls, network: nn.Module, options: RestoreOptions) -> Self:
        """Run a network, which is left as it is, as the options say.

        Raises:
            ConfigError: a device that is not there, or a precision that the backend does not compute in.
            MissingExtraError, ExportError: the backend's library is not installed, or cannot run this network.
        """
        backend = "torch" if options.backend == "auto" else options.backend
        device = find_device("cpu" if options.device == "auto" and backend in FILES else options.device)
        precision = resolve_precision(options.precision, backend, device, getattr(network, "bf16_loss", None))
        return cls(in_eval_mode(network, device), device, precision, backend)

    @property
    def config(self) -> Any:
        """The network's."""
        return self.network.config

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes."""
        return int(self.config.in_channels)

    def channels_out(self, channels: int) -> int:
        """Channels of the result for an image of so many: another number only for dual-pixel networks.

        Raises:
            RestoreError: the network takes no such images.
        """
        grey_fits = channels == 1 and self.channels == 3  # two views of a dual pixel are no colours
        if self.channels not in (1, channels) and not grey_fits:
            raise RestoreError(f"this network takes images of {self.channels} channels, not {channels}")
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

    @torch.inference_mode()
    def features(self, pixels: NDArray[Any]) -> Tensor:
        """``pooled_features`` of one image (H, W, C) of any depth: (1, F) float32 on the CPU."""
        with autocast(self.device, self.precision):
            return pooled_features(self.network, self._images(pixels[None])).cpu()

    def _images(self, tiles: NDArray[Any]) -> Tensor:
        """(N, H, W, C) of any depth → (B, C, H, W) with the network's number of channels, on its device."""
        images = torch.from_numpy(to_float(tiles)).to(self.device).permute(0, 3, 1, 2)
        if self.channels == 1:
            return images.flatten(0, 1)[:, None]
        return images.expand(-1, self.channels, -1, -1) if images.shape[1] == 1 else images

    @torch.inference_mode()
    def _run(self, tiles: NDArray[Any], forward: Forward) -> Tensor:
        restored = forward(self._images(tiles)).float()
        count, _, _, channels = tiles.shape
        if self.channels == 1:
            restored = restored[:, 0].unflatten(0, (count, channels))
        elif channels == 1:
            restored = restored.mean(dim=1, keepdim=True)
        return restored.permute(0, 2, 3, 1).cpu()


def in_eval_mode(network: nn.Module, device: torch.device) -> nn.Module:
    """A network that is in eval mode and on a device: the one given if it is so, else a twin, as that is left as it is.

    The twin's modules are its own, with hooks and attributes shared; so are the weights, unless the device is another.
    """
    place = torch.empty(0, device=device).device  # "cuda" has a number there
    is_there = all(tensor.device == place for tensor in chain(network.parameters(), network.buffers()))
    if is_there and not any(module.training for module in network.modules()):
        return network
    twins: dict[nn.Module, nn.Module] = {}

    def moved(tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.device == place:
            return tensor
        there = tensor.detach().to(place)
        return nn.Parameter(there, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else there

    def twin(module: nn.Module) -> nn.Module:
        if module not in twins:
            twins[module] = copy(module)
            state = vars(twins[module])
            state["_modules"] = {name: child and twin(child) for name, child in state["_modules"].items()}
            for kind in ("_parameters", "_buffers"):
                state[kind] = {name: moved(tensor) for name, tensor in state[kind].items()}
        return twins[module]

    return twin(network).eval()


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
        raise ConfigError(f"`device` '{device}' cannot be used: {str(error).splitlines()[0][:100]}") from None
    return found
