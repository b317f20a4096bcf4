"""Memory over a batch of thousands of small pictures, which is to stay what it was after the first tenth.

    python benchmarks/soak.py --pictures 5000

Runs ``pellucid restore`` on a folder of small made-up pictures, a bad one among every fifty, and reads the resident
memory of its process as results appear. The exit code is 1 if it grows by more than ``--growth`` MiB after a tenth.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (64, 48)
ENDINGS = ("jpg", "png", "tif", "webp")
EVERY = 50


def make_pictures(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for index in range(count):
        path = folder / f"{index:06}.{ENDINGS[index % len(ENDINGS)]}"
        if index % EVERY == 0:
            path.write_bytes(b"no picture")
        else:
            Image.fromarray(rng.integers(0, 256, (*SIZE[::-1], 3), np.uint8)).save(path)


def resident(process: int) -> float:
    """MiB of memory that a process holds now."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--growth", type=float, default=16, help="MiB that are allowed after the first tenth")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "in", arguments.pictures)
        command = [sys.executable, "-m", "pellucid", "restore", str(folder / "in"), "-o", str(folder / "out")]
        started, done, sizes = time.monotonic(), 0, []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            for done, _ in enumerate(process.stdout, 1):
                if done % EVERY == 0:
                    sizes.append(resident(process.pid))
        seconds = time.monotonic() - started
    expected = arguments.pictures - -(-arguments.pictures // EVERY)
    early, late = max(sizes[: max(len(sizes) // 10, 1)]), max(sizes)
    print(f"{done} of {expected} pictures in {seconds:.0f} s: {early:.0f} MiB after a tenth, {late:.0f} MiB at most")
    if done != expected or process.returncode != 1 or late > early + arguments.growth:
        sys.exit(f"exit code {process.returncode}, or pictures missing, or memory grew")


if __name__ == "__main__":
    main()
