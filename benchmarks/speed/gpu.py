"""What the Triton kernels give on a GPU: whether they are right, how fast, and how near to the machine's limits.

    python -m benchmarks gpu [--out gpu.json] [--only kernels|networks]
    python -m benchmarks gpu --check

Checks every kernel, values and gradients, against PyTorch's operators in float64; times it beside PyTorch's operators
in float32 and bfloat16; then whole networks in bfloat16. ``--check`` does the first alone, at tiny sizes, and without
a GPU in Triton's interpreter. Exit codes: 0 done, 1 a kernel is wrong, 2 there is no GPU.

The share of the roofline is the least time that the machine could take, by its measured rates of copying and
multiplying, over the time taken: bytes are those of the inputs and outputs once, operations those of matrix products.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import described
from benchmarks.speed.kernel_cases import DEVICE, cases, error
from benchmarks.speed.networks import load
from pellucid.kernels import depthwise_gate, dispatch, layer_norm, window_attention

INTERPRETING = not torch.cuda.is_available()
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}  # of the largest value
REPEATS = 20
NETWORKS = ("ast-t", "ast-b", "astv2-s", "astv2-l", "restormer", "ast-s-denoise")
SIZES = ((256, 256), (512, 512), (1080, 1920))


def check(*, tiny: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for dtype in TOLERANCE:
        for case in cases(dtype, tiny=tiny):
            wrong = error(case)
            good = wrong <= TOLERANCE[dtype]
            rows.append({"kernel": case.name, "size": case.size, "type": short(dtype), "error": wrong, "good": good})
            print(f"{case.name:<22}{case.size:<18}{short(dtype):<10}{wrong:>9.1e}  {'right' if good else 'WRONG'}")
    return rows


def seconds(work: Callable[[], object]) -> float:
    """The median time on the GPU."""
    for _ in range(3):
        work()
    times: list[float] = []
    for _ in range(REPEATS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return statistics.median(times)


def rates() -> dict[str, float]:
    """Bytes a second of copying, read and written, and operations a second of matrix products."""
    x = torch.empty(2**29, dtype=torch.uint8, device=DEVICE)
    y = torch.empty_like(x)
    found = {"bytes": 2 * x.numel() / seconds(lambda: y.copy_(x))}
    for dtype in TOLERANCE:
        a = torch.randn(8192, 8192, device=DEVICE).to(dtype)
        found[short(dtype)] = 2 * 8192**3 / seconds(lambda a=a: a @ a)
    return found


def kernels(limits: dict[str, float]) -> list[dict[str, Any]]:
    """Time of each beside PyTorch's operators; the share of the roofline is the forward pass's."""
    rows: list[dict[str, Any]] = []
    print(f"{'ms: forward, with backward':<50}{'PyTorch':>18}{'ours':>18}{'of roofline':>13}")
    for dtype in TOLERANCE:
        for case in cases(dtype, tiny=False):
            row: dict[str, Any] = {"kernel": case.name, "size": case.size, "type": short(dtype)}
            with torch.no_grad():
                up = torch.ones_like(case.kernel(*case.tensors))
            for name, function in (("textbook", case.textbook), ("ours", case.kernel)):
                with torch.no_grad():
                    row[name] = seconds(partial(function, *case.tensors))
                row[f"{name}_both"] = seconds(partial(both, function, case.tensors, up))
            moved = sum(x.numel() * x.element_size() for x in (*case.tensors, up))
            row["bytes"], row["operations"] = moved, case.operations
            row["roofline"] = max(moved / limits["bytes"], case.operations / limits[short(dtype)]) / row["ours"]
            rows.append(row)
            print(f"{case.name:<22}{case.size:<18}{short(dtype):<10}", end="")
            print("".join(f"{1e3 * row[n]:>9.3f}" for n in ("textbook", "textbook_both", "ours", "ours_both")), end="")
            print(f"{100 * row['roofline']:>11.0f} %")
    return rows


def both(function: Callable[..., Tensor], tensors: tuple[Tensor, ...], up: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(function(*tensors), tensors, up)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Networks on PyTorch's operators alone."""
    works = dispatch.works_on_gpu
    dispatch.works_on_gpu = lambda name, dtype, device: False  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        dispatch.works_on_gpu = works


def networks() -> list[dict[str, Any]]:
    """Milliseconds of each network in bfloat16, by ways to run it; a way that fails is told."""
    rows: list[dict[str, Any]] = []
    for name in NETWORKS:
        network = load(name).to(DEVICE, torch.bfloat16, memory_format=torch.channels_last)
        for size in SIZES:
            x = torch.rand(1, 3, *size, device=DEVICE, dtype=torch.bfloat16)
            row: dict[str, Any] = {"network": name, "size": "×".join(map(str, size))}
            for way, prepare in WAYS.items():
                started = time.monotonic()
                try:
                    with torch.inference_mode():
                        row[way] = prepare(network, x)
                except Exception as failure:  # out of memory, or the compiler's: the rest is still worth having
                    row[way] = None
                    print(
                        f"{name} {row['size']} {way}: {type(failure).__name__}: {str(failure)[:200]}", file=sys.stderr
                    )
                row[f"{way}: whole"] = time.monotonic() - started
            rows.append(row)
            print(f"{name:<12}{row['size']:<12}", end="")
            print(
                "  ".join(f"{way} {1e3 * row[way]:.2f} ms" if row[way] else f"{way} failed" for way in WAYS), flush=True
            )
    return rows


def textbook(network: nn.Module, x: Tensor) -> float:
    with without_kernels():
        return seconds(lambda: network(x))


def textbook_graph(network: nn.Module, x: Tensor) -> float:
    with without_kernels():
        return seconds(captured(network, x).replay)


def compiled(network: nn.Module, x: Tensor) -> float:
    with without_kernels():
        fast = torch.compile(network)
        return seconds(lambda: fast(x))


def ours(network: nn.Module, x: Tensor) -> float:
    return seconds(lambda: network(x))


def ours_graph(network: nn.Module, x: Tensor) -> float:
    return seconds(captured(network, x).replay)


WAYS = {
    "textbook": textbook,
    "textbook, graph": textbook_graph,
    "textbook, compiled": compiled,
    "ours": ours,
    "ours, graph": ours_graph,
}


def captured(network: nn.Module, x: Tensor) -> torch.cuda.CUDAGraph:
    """The network's launches as one, so that a small image does not wait for Python."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            network(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(x)
    return graph


def short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only whether the kernels are right, at tiny sizes")
    parser.add_argument("--only", choices=("kernels", "networks"), help="leave out the other")
    parser.add_argument("--out", type=Path, help="write the figures there as JSON")
    arguments = parser.parse_args()
    if INTERPRETING and not arguments.check:
        print("no GPU: nothing to time (--check runs the kernels in Triton's interpreter)", file=sys.stderr)
        return 2
    if INTERPRETING:
        os.environ["TRITON_INTERPRET"] = "1"  # Triton is not yet imported
        dispatch.on_gpu = lambda x: True
    import triton

    gpu = "none: Triton's interpreter" if INTERPRETING else torch.cuda.get_device_name()
    about = {"gpu": gpu, "triton": triton.__version__, **described()}
    torch.manual_seed(0)
    result: dict[str, Any] = {"machine": about, "date": time.strftime("%Y-%m-%d")}
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()))

    result["check"] = check(tiny=True)
    if not INTERPRETING:
        result["trials"] = {
            f"{name} {short(dtype)}": dispatch.works_on_gpu(name, dtype, torch.device("cuda", 0))
            for name in (window_attention.SOURCE, depthwise_gate.SOURCE, layer_norm.SOURCE, "channel_attention")
            for dtype in TOLERANCE
        }
        print("; ".join(f"{name}: {'runs' if runs else 'DOES NOT RUN'}" for name, runs in result["trials"].items()))
    if not arguments.check:
        result["check"] += check(tiny=False)
        result["rates"] = rates()
        print(", ".join(f"{key} {rate / 1e12:.2f} T/s" for key, rate in result["rates"].items()))
        if arguments.only != "networks":
            result["kernels"] = kernels(result["rates"])
        if arguments.only != "kernels":
            result["networks"] = networks()
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1))
    return 0 if all(row["good"] for row in result["check"]) else 1
