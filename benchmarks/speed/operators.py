"""Where the time of whole networks goes, and what holds each kind of part: arithmetic or memory.

    python -m benchmarks operators ast-t restormer --sizes 256 --precisions high

Each part beside this machine's own rates of multiplying matrices and of copying; the quickest of five runs counts.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import copied_per_second, products_per_second, timed
from benchmarks.speed.networks import PRECISIONS, SIZES, load, parse_size, picture
from pellucid.blocks.transformer import TransformerBlock
from pellucid.inference.backends import autocast
from pellucid.memory import keep_freed_memory
from pellucid.models.registry import build


@contextmanager
def parts_timed(network: nn.Module) -> Iterator[dict[str, list[float]]]:
    """Seconds, and bytes of what comes in and goes out, of halves of transformer blocks and of convolutions elsewhere.

    A half is x + branch(norm(x)), as which most of the kernels compute it.
    """
    spent: dict[str, list[float]] = {}  # by the path of the branch or convolution, and how many channels it sees
    paths = {module: path for path, module in network.named_modules()}
    add = TransformerBlock._add

    def note(path: str, started: float, given: Tensor, result: Tensor) -> None:
        entry = spent.setdefault(f"{path} {given.shape[1]}", [0.0, 0.0])
        entry[0] += time.perf_counter() - started
        entry[1] += given.nbytes + result.nbytes

    def timed_add(
        self: TransformerBlock, x: Tensor, norm: nn.Module, branch: nn.Module, *rest: Any, **options: Any
    ) -> Tensor:
        started = time.perf_counter()
        result = add(self, x, norm, branch, *rest, **options)
        note(paths[branch], started, x, result)
        return result

    hooks: list[Any] = []
    for path, module in network.named_modules():
        if (
            isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
            and ".attention." not in path
            and ".feedforward." not in path
        ):
            began: list[float] = []
            hooks.append(module.register_forward_pre_hook(lambda *_, to=began: to.append(time.perf_counter())))
            hooks.append(
                module.register_forward_hook(lambda _, given, y, to=began, path=path: note(path, to.pop(), given[0], y))
            )
    TransformerBlock._add = timed_add
    try:
        yield spent
    finally:
        TransformerBlock._add = add
        for hook in hooks:
            hook.remove()


def report_operators(name: str, size: tuple[int, int], precision: str) -> None:
    """Where a network's time goes, and what holds each kind of part: arithmetic or memory."""
    keep_freed_memory()
    network, image = load(name), picture(size)
    rate, copy = products_per_second(), copied_per_second()
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.inference_mode():
        build(network.config)(torch.empty(1, 3, *size))  # type: ignore[arg-type]
    macs = {path.partition(".")[2]: sum(by.values()) / 2 for path, by in counter.get_flop_counts().items()}
    best: dict[str, list[float]] = {}
    totals = []
    with torch.inference_mode(), autocast(torch.device("cpu"), precision):
        network(image)
        for _ in range(5):
            with parts_timed(network) as spent:
                totals.append(timed(lambda: network(image)))
            for path, entry in spent.items():
                best[path] = min(best.get(path, entry), entry)
    kinds: dict[str, list[float]] = {}
    for key, entry in best.items():
        path, _, channels = key.partition(" ")
        last = path.split(".")[-1]
        kind = f"{last}, {channels} channels" if last in ("attention", "feedforward") else "other convolutions"
        sums = kinds.setdefault(kind, [0.0, 0.0, 0.0])
        for i, value in enumerate((*entry, macs.get(path, 0.0))):
            sums[i] += value
    total = min(totals)
    rest = max(total - sum(sums[0] for sums in kinds.values()), 0.0)
    kinds["joining, padding, shuffling"] = [rest, 0.0, 0.0]
    rates = f"GEMM {2 * rate / 1e9:.0f} GFLOP/s, copy {copy / 1e9:.0f} GB/s"
    print(f"\n{name}, {size[1]}x{size[0]}, {precision}: {total:.3f} s; {rates}\n")
    print("| part | ms | share | GFLOP/s | of GEMM | in and out, of copy |\n|---|---|---|---|---|---|")
    for kind, (seconds, moved, count) in sorted(kinds.items(), key=lambda item: -item[1][0]):
        print(
            f"| {kind} | {1e3 * seconds:.1f} | {100 * seconds / total:.0f} % | {2 * count / seconds / 1e9:.0f} | "
            f"{100 * count / seconds / rate:.0f} % | {100 * moved / seconds / copy:.0f} % |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", help="names of networks or of bundled weights")
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    arguments = parser.parse_args()
    for name in arguments.networks:
        for size in arguments.sizes:
            for precision in arguments.precisions:
                report_operators(name, parse_size(size), precision)
