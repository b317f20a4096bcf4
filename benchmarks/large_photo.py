"""Time and memory of restoring one large photo from the command line.

    python benchmarks/large_photo.py --megapixels 24

Tiles scikit-image's astronaut to a noisy JPEG of that size, restores it with ``pellucid restore`` in a process
of its own, and prints the seconds, the megapixels a second, and the peak resident memory of that process.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

SIGMA = 15


def make_photo(path: Path, megapixels: float) -> tuple[int, int]:
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)
    photo = astronaut()
    tiled = np.tile(photo, (-(-height // photo.shape[0]), -(-width // photo.shape[1]), 1))[:height, :width]
    noise = np.random.default_rng(0).standard_normal(tiled.shape, np.float32) * SIGMA
    Image.fromarray((tiled + noise).clip(0, 255).astype(np.uint8)).save(path, quality=92)
    return width, height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("options", nargs="*", help="more options of pellucid restore, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "large.jpg", Path(folder) / "restored.jpg"
        width, height = make_photo(source, arguments.megapixels)
        command = [sys.executable, "-m", "pellucid", "restore", str(source), "-o", str(target), *arguments.options]
        started = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    size = width * height / 1e6
    print(f"{width}x{height} ({size:.1f} MP): {seconds:.0f} s, {size / seconds:.2f} MP/s, peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()
