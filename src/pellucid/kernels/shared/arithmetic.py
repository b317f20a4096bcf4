# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false
"""What several kernels compute, and how their work is cut to fit a GPU.

Parameters in lower case are addresses and numbers, which Triton types; those in capitals are known when it compiles.
"""

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

SMALLEST = 16  # side that a matrix product takes
# the interpreter keeps bfloat16 as integers and multiplies those, so there factors are rounded and then widened
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
ROOT_HALF = tl.constexpr(0.7071067811865476)
ROOT_TAU = tl.constexpr(2.5066282746310002)


@triton.jit
def product(a, b, onto):
    """Add a @ b to ``onto`` in float32: on tensor cores, as three products of TF32 where a and b are float32."""
    if INTERPRETED:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, onto, input_precision="tf32x3")


@triton.jit
def below(x):
    """Φ(x), the share of a normal distribution below x; gelu(x) = x·Φ(x)."""
    return 0.5 * (1.0 + tl.erf(x * ROOT_HALF))


@triton.jit
def gelu(x):
    return x * below(x)


@triton.jit
def gelu_slope(x):
    return below(x) + x * tl.exp(-0.5 * x * x) / ROOT_TAU


def block(size: int, largest: int) -> int:
    """The power of two that covers a size, within what a matrix product takes and a program can hold."""
    return min(max(triton.next_power_of_2(size), SMALLEST), largest)


def parts(x: Tensor, jobs: int, kinds: int, per_processor: int) -> int:
    """Into how many consecutive parts to split jobs that each of so many kinds of programs does.

    As many as make ``per_processor`` programs for each multiprocessor: few enough that what every part loads first, or
    writes out last to be added to the others', weighs little.
    """
    processors = torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 1
    return max(1, min(jobs, per_processor * processors // kinds))
