"""Backends by name."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pellucid.errors import ConfigError, did_you_mean
from pellucid.inference.backends.eager import eager

Forward = Callable[[Tensor], Tensor]
"""From images (B, C, H, W) to restored ones, both on the device."""

BACKENDS = {
    "auto": "the one that is quickest as a rule: torch",
    "torch": "PyTorch, with kernels of ours",
    "onnx": "ONNX Runtime",
    "openvino": "OpenVINO",
}
FILES = ("onnx", "openvino")  # these run an exported file, on the CPU


def resolve(backend: str, precision: str) -> str:
    """The backend that a name means.

    Raises:
        ConfigError: there is none, or it does not compute in this precision.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend cannot be '{backend}'.{did_you_mean(backend, BACKENDS)}")
    if backend == "onnx" and precision != "fp32":
        raise ConfigError(f"backend onnx computes in fp32, not {precision}; openvino and torch have bf16")
    return "torch" if backend == "auto" else backend


def open_backend(backend: str, network: nn.Module, device: torch.device, precision: str) -> Forward:
    """A network's forward pass by that backend; takes a minute if the network has to be exported first.

    Raises:
        ConfigError: a device that the backend does not use.
        MissingExtraError: its library is not installed.
        ExportError: the network cannot be exported.
    """
    if backend == "torch":
        return eager(network, device, precision)
    if device.type != "cpu":
        raise ConfigError(f"backend {backend} runs on the CPU, not on {device}; torch uses other devices")
    from pellucid.inference.backends.exported import with_onnx, with_openvino

    return with_onnx(network) if backend == "onnx" else with_openvino(network, precision)
