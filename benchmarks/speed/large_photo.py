"""Time and memory of restoring photos of several sizes, each in a process of its own.

    python -m benchmarks large_photo --megapixels 24
    python -m benchmarks large_photo --megapixels 1 5 25 100 250 500 --identity

Tiles scikit-image's astronaut to a noisy picture of each size, restores it as ``pellucid restore`` does, and prints the
seconds, the seconds a megapixel, and the peak resident memory. With ``--identity`` the network gives its input back,
so that the time is that of reading, cutting, blending and writing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyvips
from skimage.data import astronaut

from benchmarks.made_up import Identity
from pellucid.checkpoints import load_network
from pellucid.files import restore_files
from pellucid.inference import Restorer
from pellucid.memory import keep_freed_memory, peak_bytes
from pellucid.zoo import find_model

SIGMA = 15


def make_photo(path: Path, megapixels: float) -> tuple[int, int]:
    """A noisy picture of this size, written without ever being in memory."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)
    photo = pyvips.Image.new_from_array(astronaut()).copy(interpretation="srgb")
    tiled = photo.replicate(-(-width // photo.width), -(-height // photo.height)).crop(0, 0, width, height)
    noise = pyvips.Image.gaussnoise(width, height, sigma=SIGMA, seed=0)
    (tiled + noise).cast("uchar").copy(interpretation="srgb").write_to_file(str(path))
    return width, height


def restore_one(source: str, target: str, *, identity: bool, precision: str) -> None:
    """Restore a file and print its figures as JSON: the work of the child process."""
    keep_freed_memory()
    started = time.monotonic()
    network = load_network(find_model(task="denoise"))
    if identity:
        network = Identity(network.config, added=1 / 255)  # something has to change
    (result,) = restore_files([source], target, restorer=Restorer(network, precision=precision))
    if result.error:
        raise SystemExit(result.error)
    print(json.dumps({"seconds": time.monotonic() - started, "peak": peak_bytes() / 2**30}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[24])
    parser.add_argument("--identity", action="store_true", help="with a network that gives its input back")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--ending", default="jpg", help="of the pictures: jpg, png or tif")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        restore_one(*arguments.child, identity=arguments.identity, precision=arguments.precision)
        return
    print("| picture | seconds | seconds a megapixel | peak, GiB |\n|---|---|---|---|")
    for megapixels in arguments.megapixels:
        with tempfile.TemporaryDirectory() as folder:
            source, target = (Path(folder) / f"{name}.{arguments.ending}" for name in ("large", "restored"))
            width, height = make_photo(source, megapixels)
            options = ["--identity"] * arguments.identity + ["--precision", arguments.precision]
            command = [sys.executable, "-m", "benchmarks", "large_photo", *options, "--child", str(source), str(target)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
        figures, size = json.loads(run.stdout), width * height / 1e6
        print(
            f"| {width}x{height} ({size:.0f} MP) | {figures['seconds']:.1f} | {figures['seconds'] / size:.2f} | "
            f"{figures['peak']:.2f} |",
            flush=True,
        )
