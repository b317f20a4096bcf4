"""Pictures before and after at 100 %, for a close look: where a model changed most, and anywhere.

    python -m benchmarks closeups -m ast-s-derain --out sheets/ DATA/rain100l
    python -m benchmarks closeups -m ast-s-denoise --out sheets/ photo.jpg

For each picture one sheet: rows of crops, degraded beside restored, and beside the target where the folder holds pairs.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from pellucid.checkpoints import load_network
from pellucid.data.layouts import find_pairs
from pellucid.errors import ConfigError
from pellucid.imaging import find_pictures, read_photo, to_depth
from pellucid.inference import Restorer
from pellucid.zoo import find_model

CROP, GAP = 320, 6


def pictures(path: Path) -> list[tuple[Path, Path | None]]:
    """Files to restore, each with its target."""
    if path.is_file():
        return [(path, None)]
    try:
        return [(pair.inputs[0], pair.target) for pair in find_pairs(path)]
    except ConfigError:
        return [(picture, None) for picture in find_pictures(path)]


def corners(change: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int]]:
    """The crop that changed most, and two anywhere."""
    tall, wide = (max(side - CROP, 0) + 1 for side in change.shape)
    felt = ndimage.uniform_filter(change, CROP)[CROP // 2 :, CROP // 2 :][:tall, :wide]
    most = np.unravel_index(felt.argmax(), felt.shape) if felt.size else (0, 0)
    return [(int(most[0]), int(most[1])), *((int(rng.integers(tall)), int(rng.integers(wide))) for _ in range(2))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", type=Path, nargs="+", help="pictures, folders of pictures or of pairs")
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the sheets")
    parser.add_argument("--most", type=int, default=6, help="pictures from each folder")
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    restorer, rng = Restorer(load_network(find_model(arguments.model))), np.random.default_rng(0)
    for path in arguments.inputs:
        for degraded, target in pictures(path)[: arguments.most]:
            files = [degraded, *([target] if target else [])]
            before, *after = [to_depth(read_photo(file).pixels, np.uint8) for file in files]
            views = [before, restorer.restore_array(before), *after]
            change = np.abs(views[1].astype(np.float32) - before).mean(2)
            rows = [
                np.hstack([np.pad(view[y : y + CROP, x : x + CROP], ((0, GAP), (0, GAP), (0, 0))) for view in views])
                for y, x in corners(change, rng)
            ]
            sheet = arguments.out / f"{path.stem}-{degraded.stem}.png"
            Image.fromarray(np.vstack(rows)).save(sheet)
            print(sheet)
