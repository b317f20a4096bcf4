"""Where a kernel can stand in for PyTorch's operators, and how it is called: in C++ on CPUs, in Triton on GPUs."""

import importlib
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor, nn

from pellucid.kernels.compiler import compile_together, library

log = logging.getLogger(__name__)
_rounds_products: ContextVar[bool] = ContextVar("rounds_products", default=False)

DTYPES = {
    "cpu": (torch.float32, torch.bfloat16),
    "cuda": (torch.float32, torch.bfloat16, torch.float16),
}
FLOATS, BFLOATS, SPLIT_FLOATS = range(3)  # as in linear.h
SWITCH = "PELLUCID_TRITON"  # 0 does without Triton


class Norm(Protocol):
    """Layer normalisation over channels; without ``bias``, the mean stays in."""

    weight: nn.Parameter
    eps: float

    @property
    def bias(self) -> Tensor | None:
        """(C,), as ``weight``."""
        ...


def applies(name: str, x: Tensor, dtype: torch.dtype | None = None) -> bool:
    """Whether ``op.cpp`` or ``triton.py`` of ``kernels/NAME`` can work on this: on numbers, not on stand-ins.

    Args:
        name: of the source.
        x: an image (B, C, H, W).
        dtype: what it will have become by then, if that is not its own.
    """
    if type(x) is not Tensor or (dtype or x.dtype) not in DTYPES.get(x.device.type, ()):
        return False
    if is_traced():
        return False
    return works_on_gpu(name, dtype or x.dtype, x.device) if on_gpu(x) else library(name) is not None


def has_kernels() -> bool:
    """Whether there is C++ for CPUs: one compiler compiles all."""
    return library("layer_norm") is not None


def prepare(network: nn.Module) -> None:
    """Have all that a network may call in C++ at once, not one after the other as it is met."""
    compile_together(sources(network))


def sources(network: nn.Module) -> set[str]:
    """What a network's modules may call: ``kernel`` is their own operation, ``fused`` that and what is around it."""
    kernels = [getattr(module, name, None) for module in network.modules() for name in ("kernel", "fused")]
    return {kernel.SOURCE for kernel in kernels if isinstance(kernel, ModuleType)}


def on_gpu(x: Tensor) -> bool:
    return x.is_cuda


@cache
def works_on_gpu(name: str, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the Triton kernel runs on this GPU, found by running it once, at its largest; why not is logged."""
    if os.environ.get(SWITCH) == "0":
        return False
    try:
        with torch.cuda.device(device.index if device.type == "cuda" else -1):
            importlib.import_module(f"pellucid.kernels.{name}.triton").trial(dtype, device)
            torch.cuda.synchronize()
    except Exception as error:  # compilers, drivers and missing modules fail in many ways, and PyTorch can do the work
        reason = str(error).strip() or type(error).__name__
        log.info("%s does not run in Triton here, so PyTorch's operators are used: %s", name, reason[:300])
        return False
    return True


def is_traced() -> bool:
    """Whether PyTorch is writing down what is done, for a compiler or a file."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def is_inference(*tensors: Tensor) -> bool:
    """Whether no gradient will be asked for."""
    return not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))


def after_convolution(x: Tensor) -> torch.dtype:
    """The type that a convolution gives this, under autocast or not."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if device in DTYPES and torch.is_autocast_enabled(device) else x.dtype


def numbers(x: Tensor, narrowest: int = 0) -> int:
    """``Numbers`` of ``linear.h``: what an image is made of, and how linear layers in C++ may multiply it.

    Args:
        x: the image.
        narrowest: channels from which on it pays to take floats apart.
    """
    if x.dtype == torch.bfloat16:
        return BFLOATS
    return SPLIT_FLOATS if _rounds_products.get() and x.shape[1] >= narrowest else FLOATS


@contextmanager
def rounded_products() -> Generator[None]:
    """Let linear layers and dense convolutions of float32 in C++ keep 16 bits of what they multiply, where AMX is.

    Sums are float32 still. PyTorch calls this precision "high" (``torch.set_float32_matmul_precision``), of which the
    arithmetic is one way, but has it on GPUs alone.
    """
    token = _rounds_products.set(True)
    try:
        yield
    finally:
        _rounds_products.reset(token)


def channels_last(x: Tensor) -> Tensor:
    """As the kernels read images: a view where it is so already."""
    return x.contiguous(memory_format=torch.channels_last)


def result_for(x: Tensor, into: Tensor | None, dtype: torch.dtype | None = None) -> Tensor:
    """Where a kernel writes an image of x's shape, and of its type or this one: ``into``, if that is given.

    Raises:
        ValueError: a kernel could not write there.
    """
    dtype = dtype or x.dtype
    if into is None:
        return new_image(x, dtype)
    if not holds(into, x, dtype):
        raise ValueError(f"{into.dtype} {tuple(into.shape)} cannot hold a result of {dtype} {tuple(x.shape)}")
    return into


def new_image(like: Tensor, dtype: torch.dtype) -> Tensor:
    """Of this shape and type, channels-last, with nothing written to it yet."""
    batch, channels, height, width = like.shape
    return like.new_empty(batch, height, width, channels, dtype=dtype).permute(0, 3, 1, 2)


def holds(image: Tensor, like: Tensor, dtype: torch.dtype) -> bool:
    """Whether an image has this shape and type, channels-last; convolutions of stand-ins are not."""
    fits = (image.shape, image.dtype, image.device) == (like.shape, dtype, like.device)
    return fits and (image.is_meta or image.is_contiguous(memory_format=torch.channels_last))


def weights_of(layer: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """A convolution's, as the kernels read them."""
    return layer.weight.float().contiguous(), None if layer.bias is None else layer.bias.float().contiguous()


def weights_of_norm(norm: Norm) -> dict[str, Tensor | float | None]:
    """A normalisation's, by the names that kernels give them."""
    return {"norm": norm.weight.float(), "norm_bias": None if norm.bias is None else norm.bias.float(), "eps": norm.eps}
