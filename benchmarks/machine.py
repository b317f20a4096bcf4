"""What figures are of: this machine, its own rates, and what its processes hold."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


def described() -> dict[str, object]:
    """Processor, cores, instructions and versions."""
    file = Path("/proc/cpuinfo")
    lines = [line.partition(":") for line in file.read_text().splitlines()] if file.exists() else []
    told = {name.strip(): value.strip() for name, _, value in lines}
    flags = told.get("flags", "").split()
    return {
        "processor": told.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags],
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that it takes once; of the processor, by ``time.process_time``."""
    started = clock()
    work()
    return clock() - started


def products_per_second(
    side: int = 2048,
    dtype: torch.dtype = torch.float32,
    repeat: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Multiply-adds a second of a product of square matrices, the best of several."""
    a, b = torch.rand(2, side, side).to(dtype)
    return side**3 / min(timed(lambda: a @ b, clock) for _ in range(repeat))


def copied_per_second() -> float:
    """Bytes read and written a second."""
    a = torch.zeros(2**26)
    b = torch.empty_like(a)
    return 2 * a.nbytes / min(timed(lambda: b.copy_(a)) for _ in range(5))


def held_by(process: int | str, what: str) -> int:
    """Bytes of memory that a process ("self" is this one) holds: resident, ``VmRSS``, or addresses, ``VmSize``."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(fields[what].split()[0]) * 1024
