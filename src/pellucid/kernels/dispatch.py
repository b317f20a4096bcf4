"""Where a kernel can stand in for PyTorch's operators, and how one that is compiled is called."""

import ctypes
from typing import Protocol

import torch
from torch import Tensor, nn

from pellucid.kernels.compiler import library

DTYPES = (torch.float32, torch.bfloat16)


class Norm(Protocol):
    """Layer normalisation over channels; without ``bias``, the mean stays in."""

    weight: nn.Parameter
    eps: float

    @property
    def bias(self) -> Tensor | None:
        """(C,), as ``weight``."""
        ...


def applies(name: str, x: Tensor, dtype: torch.dtype | None = None) -> bool:
    """Whether ``kernels/NAME.cpp`` can work on this: plain numbers on a CPU, not something that stands for them.

    Args:
        name: of the source.
        x: an image (B, C, H, W).
        dtype: what it will have become by then, if that is not its own.
    """
    if x.device.type != "cpu" or type(x) is not Tensor or (dtype or x.dtype) not in DTYPES:
        return False
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return False
    return library(name) is not None


def is_inference(*tensors: Tensor) -> bool:
    """Whether no gradient will be asked for."""
    return not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))


def after_convolution(x: Tensor) -> torch.dtype:
    """The type that a convolution gives this, under autocast or not."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def channels_last(x: Tensor) -> Tensor:
    """As the kernels read images: a view where it is so already."""
    return x.contiguous(memory_format=torch.channels_last)


def run(name: str, direction: str, *arguments: Tensor | int | float | tuple[int, ...] | None) -> None:
    """Call ``NAME_DIRECTION`` of the compiled library, on as many threads as PyTorch uses.

    Tensors are passed as addresses, None as none, tuples as arrays of int32, numbers as float and int64.
    """
    getattr(library(name), f"{name}_{direction}")(*map(_as_c, arguments), ctypes.c_int64(torch.get_num_threads()))


def _as_c(argument: Tensor | int | float | tuple[int, ...] | None) -> object:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, tuple):
        return (ctypes.c_int32 * len(argument))(*argument)
    return ctypes.c_float(argument) if isinstance(argument, float) else ctypes.c_int64(argument)


def weights_of(layer: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """A convolution's, as the kernels read them."""
    return layer.weight.float().contiguous(), None if layer.bias is None else layer.bias.float().contiguous()


def weights_of_norm(norm: Norm) -> tuple[Tensor, Tensor | None, float]:
    """A normalisation's weights, biases and eps, as the kernels read them."""
    return norm.weight.float(), None if norm.bias is None else norm.bias.float(), norm.eps
