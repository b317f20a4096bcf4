"""What every bundled model does to photographs that nothing is wrong with: it should leave them alone.

    python -m benchmarks clean_photos --photos DATA/val

For each model: how many photos its detector passes through untouched, and of the others, the PSNR in dB against what
they were: the lowest, the mean, and how many are below 38 dB.
"""

import argparse
from pathlib import Path

import numpy as np

from pellucid.checkpoints import load_network
from pellucid.data.photo_cache import clean_photos
from pellucid.imaging import read_photo
from pellucid.inference import Restorer
from pellucid.metrics import psnr
from pellucid.zoo import find_model, list_models

HARM = 38.0  # dB: about what an excellent JPEG costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of clean photos")
    parser.add_argument("--models", nargs="*", help="names or checkpoints (default: all that are bundled)")
    arguments = parser.parse_args()

    photos = [read_photo(path) for path in clean_photos(arguments.photos)]
    print("| model | photos | passed through | lowest, dB | mean, dB | below 38 dB |\n|---|---|---|---|---|---|")
    for name in arguments.models or [model.name for model in list_models()]:
        restorer = Restorer(load_network(find_model(name)))
        all_scores = [psnr(restorer.restore_array(photo.pixels), photo.pixels) for photo in photos]
        scores = [score for score in all_scores if np.isfinite(score)]
        passed, harmed = len(photos) - len(scores), sum(score < HARM for score in scores)
        figures = (min(scores, default=np.inf), np.mean(scores) if scores else np.inf)
        print(
            f"| `{name}` | {len(photos)} | {passed} | {' | '.join(f'{figure:.2f}' for figure in figures)} | {harmed} |",
            flush=True,
        )
