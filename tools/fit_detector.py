"""Give weights a detector: what tells pictures that their network can mend from those to be left alone.

    python -m tools.fit_detector runs/derain/model.safetensors derain --data PHOTOS --val OTHER_PHOTOS

It is fitted to the photos of ``--data`` and to what the recipe does to them. Its threshold lets 3 % pass of what the
recipe makes of the photos of ``--val`` to validate on, or fewer where all of these photos themselves pass with fewer:
who asks for a restoration should get it. Where there is little evidence, less is changed (``caution``): just so much
less that no photo which does not pass comes out worse than clean photos may. Prints how many photos pass, the clean
ones that the network would change most and do not, and writes the detector into the weights file.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.quality.clean_photos import HARM
from pellucid.checkpoints import build_network, open_checkpoint, save_network
from pellucid.data.photo_cache import clean_photos
from pellucid.degrade import compose
from pellucid.imaging import read_photo, to_float
from pellucid.inference import Restorer
from pellucid.inference.detection import views
from pellucid.metrics import psnr
from pellucid.models.detector import STEEPNESS, Detector
from pellucid.training.config import Degradations
from pellucid.training.detector import fit_detector
from pellucid.training.recipes import RECIPES
from tools.ship_weights import KEPT

MISSED = 0.03  # of degraded photos
MARGIN = 0.25  # of log-odds, between the threshold and the last clean photo that must pass
LEAST = HARM + 0.5  # dB, of a clean photo against itself
SEED = 7_000_000  # of the degraded photos


def always(degrade: Degradations) -> Degradations:
    """The same, but that its first degradation leaves no picture as it is."""
    first, *others = degrade
    return {first: {**degrade[first], "probability": 1.0}, **{name: degrade[name] for name in others}}


def of_whole_scenes(degrade: Degradations) -> Degradations:
    """The same for whole pictures: haze of a crop is drawn from that of a larger scene."""
    return {name: {**options, "window": (1.0, 1.0)} if name == "haze" else options for name, options in degrade.items()}


def evidence(restorer: Restorer, detector: Detector, photos: list[NDArray[Any]], degrade: Degradations) -> NDArray[Any]:
    """What the detector finds in each photo, degraded."""
    degradation, rng, found = compose(degrade), torch.Generator().manual_seed(SEED), list[float]()
    for pixels in photos:
        params, features = [degradation.sample(rng)], list[Tensor]()
        for view in views(pixels, restorer.working_side):
            image = torch.from_numpy(to_float(view)).permute(2, 0, 1)[None]
            degraded = degradation.apply(image, params)[0].permute(1, 2, 0).numpy()
            features.append(restorer.features(degraded))
        found.append(detector.evidence(torch.cat(features)))
    return np.array(found)


def enough_caution(score: float) -> float:
    """How far above a clean photo's evidence half of the change may be made, where all makes it worse: PSNR in dB."""
    share = 10 ** ((score - LEAST) / 20)  # of the change, that leaves as many dB
    return math.log(1 / share - 1) / STEEPNESS if share < 1 else -math.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a safetensors file of ours")
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--views", type=int, default=6, help="of each photo")
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()

    checkpoint = open_checkpoint(arguments.weights)
    network = build_network(checkpoint)
    restorer = Restorer(network, precision=arguments.precision, keep_clean=False)
    data = RECIPES[arguments.recipe](arguments.data, arguments.val, Path("unused")).data
    assert data.degrade is not None
    degrade = of_whole_scenes(always(data.degrade))
    detector = fit_detector(restorer, clean_photos(arguments.data), degrade, decoys=data.decoys, views=arguments.views)

    paths = clean_photos(arguments.val)
    photos = [read_photo(path).pixels for path in paths]
    levels = {name: of_whole_scenes(options) for name, options in data.val_degrade.items() if name != "clean"}
    found = {name: evidence(restorer, detector, photos, options) for name, options in levels.items()}
    clean = evidence(restorer, detector, photos, {})
    threshold = min(float(np.quantile(np.concatenate(list(found.values())), MISSED)), float(clean.max()) + MARGIN)
    for name, values in {"clean": clean, **found}.items():
        print(f"{name}: {(values <= threshold).sum()} of {len(photos)} pass")
    kept = [i for i in range(len(photos)) if clean[i] > threshold]
    changes = {paths[i].name: psnr(restorer.restore_array(photos[i]), photos[i]) for i in kept}
    for name in sorted(changes, key=changes.__getitem__)[:8]:
        print(f"{name}: {changes[name]:.1f} dB")

    needed = [clean[i] - threshold + enough_caution(changes[paths[i].name]) for i in kept]
    network.detector = Detector(detector.weight, detector.bias - threshold, torch.tensor(max([0.0, *needed])))
    for name, values in found.items():
        shares = [network.detector.share(value - threshold) for value in values]
        print(f"{name}: {np.mean(shares):.0%} of the changes are made")

    told = {key: checkpoint.metadata[key] for key in KEPT if key in checkpoint.metadata}
    task, licence = checkpoint.metadata["task"], checkpoint.metadata["licence"]
    dtype = next(iter(checkpoint.state.values())).dtype
    save_network(network, arguments.weights, task=task, licence=licence, notes=told, dtype=dtype)


if __name__ == "__main__":
    main()
