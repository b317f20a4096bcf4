"""PyTorch itself."""

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pellucid.errors import ExportError
from pellucid.kernels.dispatch import rounded_products

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def autocast(device: torch.device, precision: str) -> Generator[None]:
    """Activations in this precision, or for "high" products; the weights stay float32."""
    with torch.autocast(device.type, HALVES.get(precision), enabled=precision in HALVES):
        if precision == "high":
            with rounded_products():
                yield
        else:
            yield


def eager(network: nn.Module, device: torch.device, precision: str) -> Callable[[Tensor], Tensor]:
    """A network as PyTorch runs it, operator by operator."""

    def forward(images: Tensor) -> Tensor:
        with autocast(device, precision):
            return network(images)

    return forward


def compiled(network: nn.Module, device: torch.device, precision: str) -> Callable[[Tensor], Tensor]:
    """A network as ``torch.compile`` makes it, of any size, when it first runs: without kernels of ours."""
    from torch._dynamo.exc import TorchDynamoException  # a second to import

    run = eager(torch.compile(network, dynamic=True), device, precision)  # pyright: ignore[reportArgumentType]

    def forward(images: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
            try:
                return run(images)
            except TorchDynamoException as error:
                reason = " ".join(str(error).split())[:200]
                raise ExportError(f"torch.compile cannot compile this network: {reason}") from error

    return forward
