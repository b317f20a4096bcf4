"""What the Triton kernels need of a GPU, found by compiling them for it without having one.

    python -m benchmarks gpu_resources [--capability 90]

Prints shared memory, registers and bytes spilled for each thread. It also finds what Triton's interpreter, which knows
no types, lets pass. 80 is the A100, 86 and 89 are cards for desktops, 90 is the H100.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pellucid.kernels.channel_attention import triton as channel_attention
from pellucid.kernels.depthwise_gate import triton as depthwise_gate
from pellucid.kernels.layer_norm import triton as layer_norm
from pellucid.kernels.window_attention import triton as window_attention

# what kernels call images that have the type of the network; other addresses are of float32
IMAGES = {"q_image", "kv_image", "out_image", "grad_image", "q_grads", "kv_grads", "image", "image_grads", "x_image"}
IMAGES |= {"y_image", "out", "grads", "halves_grads", "mixed_grads"}
SUMS = {"biases", "mixture", "bias_grads", "mixture_grads", "weights", "sums", "products", "squares", "matrices"}
SUMS |= {"product_grads", "square_grads"}
OPTIONS = ("num_warps", "num_stages")
TYPES = {torch.bfloat16: "bf16", torch.float32: "fp32"}


def needs(kernel: Any, constants: dict[str, Any], number: str, capability: int) -> str:
    """Compile a kernel for images of a type."""
    options = {name: constants[name] for name in OPTIONS if name in constants}
    constants = {name: value for name, value in constants.items() if name not in OPTIONS}
    types: dict[str, str] = {"eps": "fp32"}
    types |= dict.fromkeys(IMAGES, f"*{number}") | dict.fromkeys(SUMS, "*fp32") | dict.fromkeys(constants, "constexpr")
    names: list[str] = kernel.arg_names
    source = ASTSource(
        kernel,
        {name: types.get(name, "i32") for name in names},
        {(names.index(name),): value for name, value in constants.items()},
        {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name in IMAGES | SUMS},
    )
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
        usage = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    registers, spilled = found.groups() if found else ("?", "?")
    return f"{compiled.metadata.shared:>8}{registers:>6}{spilled:>7}"


def cases(dtype: torch.dtype) -> list[tuple[str, Any, dict[str, Any]]]:
    """Kernels at the sizes of networks, with what they are compiled for."""
    found: list[tuple[str, Any, dict[str, Any]]] = []
    for dim in (16, 32, 64):
        _, _, constants = window_attention._cut((1, 64, 64, 2, dim, 8, 4), True)
        found.append((f"window attention, {dim}", window_attention._forward, constants))
        found.append((f"window attention, {dim}, backward", window_attention._backward, constants))
    for dim in (48, 96):
        _, constants = channel_attention._grid(torch.empty(1, dim, 8, 8, dtype=dtype), 1, dim)
        strides = {"X_STRIDE": 3 * dim, "Y_STRIDE": 3 * dim}
        found.append((f"MDTA, {dim}, products", channel_attention._products, constants | strides | {"SQUARES": True}))
        stride = {"STRIDE": 3 * dim}
        found.append((f"MDTA, {dim}, values", channel_attention._mix, constants | stride | {"TRANSPOSED": False}))
        found.append((f"MDTA, {dim}, backward", channel_attention._products_backward, constants | stride))
    for name, flags in zip(("FRFN", "GDFN"), depthwise_gate.FLAGS, strict=False):
        cut = {"HIDDEN": 128, "BEFORE": flags["BEFORE"], "ACROSS": 8, "WIDTH": 64, "TAPS": 9, "num_warps": 4}
        kind = cut | flags | {"ROWS": depthwise_gate.FORWARD_ROWS}
        last = cut | {"CONVOLVED": 256 if flags["BOTH"] else 128, "ROWS": depthwise_gate.BACKWARD_ROWS}
        found.append((f"gate of {name}", depthwise_gate._forward, kind | {"BACKWARD": False}))
        found.append((f"gate of {name}, backward", depthwise_gate._forward, kind | {"BACKWARD": True}))
        found.append((f"gate of {name}, backward, transpose", depthwise_gate._backward, last))
    for channels in (48, 256):
        _, constants = layer_norm._cut(channels)
        found.append((f"layer norm, {channels}", layer_norm._forward, constants))
        found.append((f"layer norm, {channels}, backward", layer_norm._backward, constants))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capability", type=int, default=90, help="of the GPU, times ten")
    arguments = parser.parse_args()
    print(f"{'':<42}{'shared':>8}{'reg.':>6}{'spill':>7}")
    for dtype, number in TYPES.items():
        for name, kernel, constants in cases(dtype):
            print(f"{number:<6}{name:<36}{needs(kernel, constants, number, arguments.capability)}", flush=True)
