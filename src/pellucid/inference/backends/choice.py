"""Backends by name."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pellucid.errors import ConfigError
from pellucid.inference.backends.eager import compiled, eager
from pellucid.inference.options import PRECISIONS
from pellucid.kernels.dispatch import prepare

Forward = Callable[[Tensor], Tensor]
"""From images (B, C, H, W) to restored ones, both on the device."""

PRECISIONS_OF = {
    "torch": PRECISIONS,
    "compile": tuple(name for name in PRECISIONS if name != "high"),
    "onnx": ("fp32",),
    "openvino": ("fp32", "bf16"),
}
FILES = ("onnx", "openvino")  # these run an exported file, on the CPU
BF16_LOSS = 0.02  # dB, below which nobody sees it


def resolve_precision(precision: str, backend: str, device: torch.device, loss: float | None) -> str:
    """The precision that a name means: "auto" is the quickest one that does no harm.

    Args:
        precision: a name in ``PRECISIONS``, or "auto".
        backend: a name in ``BACKENDS`` other than "auto".
        device: that the network runs on.
        loss: what bf16 costs these weights, in dB; None where nobody has measured it.

    Raises:
        ConfigError: the backend does not compute in it.
    """
    known = PRECISIONS_OF[backend]
    if precision != "auto":
        if precision not in known:
            raise ConfigError(f"backend {backend} computes in {', '.join(known)}, not {precision}")
        return precision
    if loss is not None and loss < BF16_LOSS and backend not in FILES and has_bf16(device):
        return "bf16"  # OpenVINO only when asked: in a process that has exported a network, the next signal kills it
    return "high" if "high" in known and device.type == "cpu" else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Whether matrices multiply in bf16 in hardware: elsewhere it is emulated, and slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]


def open_backend(backend: str, network: nn.Module, device: torch.device, precision: str) -> Forward:
    """A network's forward pass by that backend; takes a minute if the network has to be exported or compiled first.

    Raises:
        ConfigError: a device that the backend does not use.
        MissingExtraError: its library is not installed.
        ExportError: the network cannot be exported; or, when it first runs, compiled.
    """
    if backend == "torch":
        if device.type == "cpu" and precision != "fp16":
            prepare(network)
        return eager(network, device, precision)
    if backend == "compile":
        return compiled(network, device, precision)
    if device.type != "cpu":
        raise ConfigError(f"backend {backend} runs on the CPU, not on {device}; torch uses other devices")
    from pellucid.inference.backends.exported import open_exported

    return open_exported(network, backend, precision)
