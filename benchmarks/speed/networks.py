"""How fast the networks run, beside a textbook version of each and this machine's own rate of multiplying matrices.

    python -m benchmarks networks --out benchmarks/results/NAME.json
    python -m benchmarks networks --networks ast-t --sizes 256 512 --ways textbook pellucid --precisions fp32

A case is a network, a size, a precision and a way of running it: ``textbook`` (``textbook.py``), ``torch`` (pellucid
without its kernels), ``pellucid`` (as by default), ``compile``, ``onnx`` or ``openvino`` (other backends). Precision
``high`` is float32 whose products keep 16 bits (AMX), ``fp32`` all 24; both have float32 in memory. Each case runs in
a process of its own, which measures the rate of square matrix products (2048³, float32) just before and after; cases
take turns, ``--rounds`` times, and the best counts. Squares up to 1024 pixels pass the network whole, larger pictures
by the tiles of ``Restorer``, in 8 bits. Differences are from the textbook's float32 result, where that was run.

Random weights, from a fixed seed, for networks; bundled weights by their names. Fractions are of multiply-adds
(``count_macs``) over the rate. A way that a machine has not got is left out, with a line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import copied_per_second, described, products_per_second, timed
from benchmarks.speed import textbook
from pellucid.checkpoints import load_network
from pellucid.inference import Restorer
from pellucid.inference.backends import autocast
from pellucid.memory import keep_freed_memory, peak_bytes
from pellucid.models.cost import count_macs
from pellucid.models.registry import create_network
from pellucid.zoo import find_model, list_models

NETWORKS = ("ast-s-denoise", "ast-t", "ast-b", "astv2-s", "restormer")
SIZES = ("128", "256", "512", "1024", "4000x3000")
WAYS = ("textbook", "torch", "pellucid", "compile", "onnx", "openvino")
PRECISIONS = ("fp32", "high", "bf16")
WHOLE = 1024  # pixels a side, beyond which pictures are cut into tiles
TEXTBOOK_LIMIT = 512  # pixels a side, beyond which it needs more memory than machines have
SECONDS = 4.0  # that a case is repeated for
RUNS, LONGEST = 3, 50.0  # how often at the least, where that takes no more seconds
PATIENCE = 900  # seconds for one case


def load(name: str) -> nn.Module:
    """Bundled weights by their name, or a network with random ones whose every branch matters."""
    if name in [model.name for model in list_models()]:
        return load_network(find_model(name))
    torch.manual_seed(0)
    return create_network(name).eval()


def picture(size: tuple[int, int]) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


def parse_size(text: str) -> tuple[int, int]:
    """``512`` or ``4000x3000`` → (height, width)."""
    width, _, height = text.partition("x")
    return int(height or width), int(width)


def runner(network: nn.Module, way: str, precision: str, size: tuple[int, int]) -> Callable[[], Tensor]:
    """What a case runs: gives back (1, 3, H, W)."""
    if way == "textbook":
        image = picture(size)
        return lambda: _under("fp32", lambda: textbook.forward(network, image))
    backend = "torch" if way == "pellucid" else way
    if max(size) > WHOLE or backend != "torch":
        options: dict[str, Any] = {} if backend == "torch" else {"backend": backend}
        tile = "auto" if max(size) > WHOLE else "off"
        restorer = Restorer(network, tile=tile, precision=precision, keep_clean=False, **options)
        if max(size) > WHOLE:
            pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        else:
            pixels = picture(size)[0].permute(1, 2, 0).numpy()
        return lambda: torch.from_numpy(restorer.restore_array(pixels)).permute(2, 0, 1)[None]
    image = picture(size)
    return lambda: _under(precision, lambda: network(image))


@torch.inference_mode()
def _under(precision: str, work: Callable[[], Tensor]) -> Tensor:
    with autocast(torch.device("cpu"), precision):
        return work().float()


def run_case(case: dict[str, Any], reference: Path | None) -> dict[str, Any]:
    """The work of a child process."""
    keep_freed_memory()
    size = parse_size(case["size"])
    network = load(case["network"])
    rates = [products_per_second()]
    before = peak_bytes()
    run = runner(network, case["way"], case["precision"], size)
    started = time.perf_counter()
    result = run()
    first, times = time.perf_counter() - started, [time.perf_counter() - started]
    while sum(times) < (SECONDS if len(times) >= RUNS else LONGEST):
        times.append(timed(run))
    peak = peak_bytes()
    rates.append(products_per_second())
    macs = count_macs(network.config, *size) if max(size) <= WHOLE else _macs_by_area(network.config, size)
    outcome = {
        **case,
        "seconds": min(times),
        "first": first,
        "seconds_per_megapixel": min(times) / (size[0] * size[1] / 1e6),
        "macs": macs,
        "rate": macs / min(times),
        "machine_rate": max(rates),
        "fraction": macs / min(times) / max(rates),
        "peak_bytes": peak,
        "bytes_before": before,
    }
    if reference and case["way"] == "textbook" and case["precision"] == "fp32":
        np.save(reference, result.numpy())
    elif reference and reference.exists():
        outcome["difference"] = float(np.abs(np.load(reference) - result.numpy()).max())
    return outcome


def _macs_by_area(config: Any, size: tuple[int, int]) -> int:
    side = 512
    return round(count_macs(config, side, side) * size[0] * size[1] / side**2)


def cases(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for network in arguments.networks:
        for size in arguments.sizes:
            for precision in arguments.precisions:
                for way in arguments.ways:
                    is_too_large = max(parse_size(size)) > TEXTBOOK_LIMIT
                    if way == "textbook" and (is_too_large or precision != "fp32"):
                        continue
                    if precision == "high" and way != "pellucid":
                        continue
                    yield {"network": network, "size": size, "precision": precision, "way": way}


def spawn(case: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """Run a case in a process of its own; None where it cannot be."""
    reference = folder / f"{case['network']}-{case['size']}.npy"
    environment = {**os.environ, "PELLUCID_NATIVE": "0"} if case["way"] in ("torch", "textbook") else dict(os.environ)
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "networks",
        "--case",
        json.dumps(case),
        "--reference",
        str(reference),
    ]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return _left_out(case, f"more than {PATIENCE} s")
    if done.returncode:
        return _left_out(case, (done.stderr.strip().splitlines() or ["killed"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _left_out(case: dict[str, Any], why: str) -> None:
    print(f"left out: {' '.join(case.values())}: {why}", file=sys.stderr, flush=True)


HEADER = (
    "| network | size | precision | way | s | s/MP | GFLOP/s | of GEMM | peak, MiB | difference | textbook / this |"
)


def table(outcomes: list[dict[str, Any]]) -> str:
    """The outcomes as Markdown; the last column is how many times the textbook's float32 time is longer."""
    plain = {
        (o["network"], o["size"]): o["seconds"] for o in outcomes if o["way"] == "textbook" and o["precision"] == "fp32"
    }
    lines = [HEADER, "|---" * HEADER.count(" | ") + "|---|"]
    for o in outcomes:
        known = plain.get((o["network"], o["size"]))
        ratio = f"{known / o['seconds']:.1f}" if known else ""
        difference = f"{o['difference']:.1e}" if "difference" in o else ""
        lines.append(
            f"| {o['network']} | {o['size']} | {o['precision']} | {o['way']} | {o['seconds']:.3g} | "
            f"{o['seconds_per_megapixel']:.2f} | {2 * o['rate'] / 1e9:.0f} | {100 * o['fraction']:.0f} % | "
            f"{o['peak_bytes'] / 2**20:.0f} | {difference} | {ratio} |"
        )
    return "\n".join(lines)


COLOURS = {
    "textbook": "#b0b0b0",
    "torch": "#8ab6d6",
    "pellucid": "#1f6f9f",
    "compile": "#5b8c5a",
    "onnx": "#c9a227",
    "openvino": "#7a4fa3",
}


def plot(outcomes: list[dict[str, Any]]) -> str:
    """Bars (SVG): the fraction of the machine's float32 matrix products reached; less precise are paler."""
    bar, left, width = 16, 260, 420
    longest = max(outcome["fraction"] for outcome in outcomes)
    lines: list[str] = []
    for row, outcome in enumerate(outcomes):
        y, long = 30 + row * bar, width * outcome["fraction"] / longest
        name = " ".join(outcome[key] for key in ("network", "size", "precision", "way"))
        opacity = {"fp32": 1.0, "high": 0.8, "bf16": 0.6}[outcome["precision"]]
        lines += [
            f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{name}</text>',
            f'<rect x="{left}" y="{y + 2}" width="{long:.1f}" height="{bar - 3}" '
            f'fill="{COLOURS[outcome["way"]]}" fill-opacity="{opacity}"/>',
            f'<text x="{left + long + 4:.1f}" y="{y + 12}">{100 * outcome["fraction"]:.0f} %, '
            f"{outcome['seconds']:.3g} s</text>",
        ]
    height = 40 + bar * len(outcomes)
    title = '<text x="10" y="18" font-weight="bold">Multiply-adds, of the rate of fp32 matrix products</text>'
    style = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11"'
    body = "\n".join((title, *lines))
    return f'<svg {style} width="{left + width + 140}" height="{height}">\n{body}\n</svg>\n'


def best_of(rounds: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Of each case the quickest round."""
    fastest: dict[str, dict[str, Any]] = {}
    for outcome in (outcome for done in rounds for outcome in done):
        key = " ".join(outcome[name] for name in ("network", "size", "precision", "way"))
        if key not in fastest or outcome["seconds"] < fastest[key]["seconds"]:
            fastest[key] = outcome
    return list(fastest.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a .json for the figures; beside it go a table, .md, and bars, .svg")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run_case(json.loads(arguments.case), arguments.reference)))
        return
    rounds: list[list[dict[str, Any]]] = []
    about = {
        **described(),
        "gemm_fp32": 2 * products_per_second(),
        "gemm_bf16": 2 * products_per_second(dtype=torch.bfloat16),
        "copy": copied_per_second(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            rounds.append([])
            for case in cases(arguments):
                outcome = spawn(case, Path(folder))
                if outcome:
                    rounds[-1].append(outcome)
                    print(f"{' '.join(case.values())}: {outcome['seconds']:.3f} s", file=sys.stderr, flush=True)
    outcomes = best_of(rounds)
    print(table(outcomes))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"machine": about, "outcomes": outcomes}, indent=1))
        heading = ", ".join(f"{key} {value}" for key, value in about.items())
        arguments.out.with_suffix(".svg").write_text(plot(outcomes))
        arguments.out.with_suffix(".md").write_text(f"{heading}\n\n{table(outcomes)}\n")
