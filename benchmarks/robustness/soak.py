"""Memory over a batch of thousands of small pictures, which is to stay what it was after the first tenth.

    python -m benchmarks soak --pictures 5000

Runs ``pellucid restore`` on a folder of small made-up pictures, a bad one among every fifty, and reads the resident
memory of its process as results appear. The exit code is 1 if it grows by more than ``--growth`` MiB after a tenth.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import held_by
from benchmarks.made_up import write_photos

SIZE = (64, 48)
EVERY = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--growth", type=float, default=16, help="MiB that are allowed after the first tenth")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in write_photos(folder / "in", arguments.pictures, SIZE)[::EVERY]:
            path.write_bytes(b"no picture")
        command = [sys.executable, "-m", "pellucid", "restore", str(folder / "in"), "-o", str(folder / "out")]
        started, done, sizes = time.monotonic(), 0, list[float]()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            for done, _ in enumerate(process.stdout, 1):
                if done % EVERY == 0:
                    sizes.append(held_by(process.pid, "VmRSS") / 2**20)
        seconds = time.monotonic() - started
    expected = arguments.pictures - -(-arguments.pictures // EVERY)
    early, late = max(sizes[: max(len(sizes) // 10, 1)]), max(sizes)
    print(f"{done} of {expected} pictures in {seconds:.0f} s: {early:.0f} MiB after a tenth, {late:.0f} MiB at most")
    if done != expected or process.returncode != 1 or late > early + arguments.growth:
        sys.exit(f"exit code {process.returncode}, or pictures missing, or memory grew")
