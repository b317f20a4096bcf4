"""The C++ of each operation, compiled for this very processor when it is first needed, and kept in the user's cache.

Nothing has to be installed for it but a compiler; without one, PyTorch's own operators do the work, more slowly.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from pellucid.atomic import cache_folder, replacing

log = logging.getLogger(__name__)

FLAGS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fopenmp",
    "-fPIC",
)
HERE = Path(__file__).parent
SWITCH = "PELLUCID_NATIVE"  # 0 does without
COMPILE_SECONDS = 120


@cache
def library(name: str) -> ctypes.CDLL | None:
    """The compiled ``kernels/NAME/op.cpp``, or None where it cannot be had; why is logged."""
    if os.environ.get(SWITCH) == "0":
        return None
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        log.info("no C++ compiler: %s runs on PyTorch's operators", name)
        return None
    try:
        return ctypes.CDLL(str(_compiled(compiler, _source(name))))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        log.info("%s could not be compiled, so PyTorch's operators are used: %s", name, reason.strip()[:300])
        return None


def compile_together(names: Collection[str]) -> None:
    """Do for all of these what ``library`` does for one, as many at once as there are cores: each takes seconds."""
    largest_first = sorted(names, key=lambda name: _source(name).stat().st_size, reverse=True)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(library, largest_first))


def _source(name: str) -> Path:
    return HERE / name / "op.cpp"


def _compiled(compiler: str, source: Path) -> Path:
    """The library made of this source, found in the cache or put there."""
    headers = sorted((HERE / "shared").glob("*.h"))
    made_of = (*(path.read_bytes() for path in (source, *headers)), " ".join((compiler, *FLAGS)).encode(), _processor())
    key = hashlib.sha256(b"\0".join(made_of)).hexdigest()[:16]
    path = cache_folder("native") / f"{source.parent.name}-{key}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
            compiled = str(Path(folder) / "kernel.o")
            _run(compiler, *FLAGS, f"-I{HERE}", "-c", str(source), "-o", compiled)
            # not linked with OpenMP: PyTorch's is in the process, and a second one's threads would fight with its own
            _run(compiler, "-shared", compiled, "-o", str(temporary))
    return path


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS)


def _processor() -> bytes:
    """What the processor can do: a home may be shared among machines."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}".encode()
    return b"".join(line for line in lines[:64] if line.startswith((b"model name", b"flags", b"Features")))
