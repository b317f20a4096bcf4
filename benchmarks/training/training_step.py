"""How fast one training step of the half-resolution AST is, by which operators, and whether its gradients agree.

    python -m benchmarks training_step [--batch 8] [--patch 128] [--threads 1] [--repeat 7] [--precision fp32|bf16]

Random crops, the loss "psnr", clipping and AdamW, as a run makes them; the same network and crops by

- PyTorch's operators alone,
- the kernels that only stand in for single operators, as before half blocks were trained at once,
- all that applies now.

They take turns in one process, and the quickest turn of each is kept, in seconds of a core: other programs take time
away, and not evenly. Prints patches a second, the share of what the processor does in matrix products of
1024³ (multiply-adds of the forward pass, three times, as the backward pass has twice as many), and how far gradients
are from the first row's, as a part of their length.
"""

import argparse
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmarks.machine import products_per_second, timed
from pellucid.kernels import dispatch
from pellucid.kernels.convolution import products
from pellucid.memory import keep_freed_memory
from pellucid.models import create_network
from pellucid.models.cost import count_macs
from pellucid.training.losses import weighted_sum

NETWORK = {
    "embed_dim": 32,
    "stem": 2,
    "depths": (1,) * 8 + (2,),
    "num_heads": (16, 16, 8, 4, 2),
    "ffn_ratio": 1.0,
    "drop_path": 0.0,
}
LOSS = weighted_sum({"psnr": 1.0})

Way = Callable[[], AbstractContextManager[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    network = create_network("ast-t", **NETWORK).train()
    dispatch.prepare(network)
    clean = torch.rand(arguments.batch, 3, arguments.patch, arguments.patch)
    degraded = clean + 0.1 * torch.randn_like(clean)

    ways: dict[str, tuple[Way, bool]] = {
        "PyTorch's operators": (without_kernels, False),
        "kernels alone": (without_products, False),
        "all": (nullcontext, True),
    }
    half = arguments.precision == "bf16"
    gradients = {name: gradient(network, degraded, clean, way, half) for name, (way, _) in ways.items()}
    optimizers = {
        name: torch.optim.AdamW(network.parameters(), lr=0.0, fused=fused) for name, (_, fused) in ways.items()
    }
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(arguments.repeat):
        for name, (way, _) in ways.items():
            step = partial(take_step, network, optimizers[name], degraded, clean, way, half)
            seconds[name] = min(seconds[name], timed(step, time.process_time))

    macs = arguments.batch * count_macs(network.config, arguments.patch, arguments.patch)  # pyright: ignore[reportArgumentType]
    peak = products_per_second(1024, repeat=arguments.repeat, clock=time.process_time)
    first = next(iter(ways))
    print(
        f"{arguments.batch} crops of {arguments.patch}², {arguments.precision}, {arguments.threads} threads; ", end=""
    )
    print(f"matrix products in fp32 {2 * peak / 1e9:.0f} GFLOP/s a core")
    for name, spent in seconds.items():
        ratio, share = seconds[first] / spent, 3 * macs / spent / peak
        away = ((gradients[name] - gradients[first]).norm() / gradients[first].norm()).item()
        print(
            f"{name:<20} {spent:6.3f} s  {arguments.batch / spent:5.2f} patches a second of a core  {ratio:4.2f} x",
            end="",
        )
        print(f"  {share:4.0%} of matrix products  gradients {away:.0e} apart")


@contextmanager
def without_products() -> Generator[None]:
    with patch.object(products, "applies", lambda *_: False):
        yield


@contextmanager
def without_kernels() -> Generator[None]:
    with without_products(), patch.object(dispatch, "library", lambda _: None):
        yield


def gradient(network: nn.Module, degraded: Tensor, clean: Tensor, way: Way, half: bool) -> Tensor:
    """Of all weights, as one vector."""
    network.zero_grad()
    with way():
        loss(network, degraded, clean, half).backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def take_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, degraded: Tensor, clean: Tensor, way: Way, half: bool
) -> None:
    with way():
        loss(network, degraded, clean, half).backward()
    nn.utils.clip_grad_norm_(network.parameters(), 0.1)
    optimizer.step()
    optimizer.zero_grad()


def loss(network: nn.Module, degraded: Tensor, clean: Tensor, half: bool) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        made = network(degraded)
    return LOSS(made, clean)
