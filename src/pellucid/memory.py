"""What memory the machine has, and how PyTorch's CPU allocations are told to use it."""

import ctypes
import sys
from functools import cache
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # <malloc.h>


@cache
def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next tensor; returns whether the C library agreed.

    By default each large tensor is mapped afresh and given back when freed, and the kernel must zero
    every page of it again: a third of the time of a training step on CPU. The process holds on to its
    peak until it ends instead.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def peak_bytes() -> int:
    """The most memory that this process has held at once; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def available_bytes(device: torch.device) -> int:
    """Memory that could be allocated on a device now; a container's own limit counts."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(_system_available(), _cgroup_available())


def _system_available() -> int:
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 4 * 2**30  # no such file outside Linux: a modest machine's worth


def _cgroup_available() -> int:
    """What a container's limit leaves, under either version of control groups; no limit is very much."""
    root = Path("/sys/fs/cgroup")
    for folder, limit, used in (
        (root, "memory.max", "memory.current"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            allowed = (folder / limit).read_text().strip()
            if allowed == "max":
                return sys.maxsize
            taken = int((folder / used).read_text())
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        # cached files are counted as used, and given up when memory is asked for
        reclaimable = int(statistics.get("inactive_file", 0))
        return max(int(allowed) - taken + reclaimable, 0)
    return sys.maxsize
