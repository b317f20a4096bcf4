"""How near the synthetic rain and raindrops come to real pairs, in numbers.

    python -m tools.realism_rain --rain DATA/rain100l --drops DATA/raindrop_agan4 --clean DATA/val

``--rain`` and ``--drops`` are folders of pairs, ``input/`` and ``target/`` with the same names; ``--clean`` is a folder
of clean photos, cut to 480×320 at most, on which each preset, the default and each family draw one degradation a photo.
Each may be left out. The averages are over images. Real pairs of drops are not quite aligned, and glare over the whole
glass changes them too, so that their covered share is an upper bound and their edges count as small drops.
"""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from tools.pairs import Pair, of_file, print_table, real_pairs, synthetic_pairs

Array = np.ndarray[Any, np.dtype[np.float32]]

CROP = (480, 320)
CHANGED = 0.05  # of the range, in the mean over the channels: a pixel of a streak or of a drop
SMALLEST_DROP = 30  # pixels: a smaller component is noise or a misaligned edge


def cropped(path: Path) -> Image.Image:
    image = of_file(path)
    return image.crop((0, 0, min(image.width, CROP[0]), min(image.height, CROP[1])))


def psnr(degraded: Tensor, clean: Tensor) -> float:
    return -10 * math.log10(float((degraded - clean).square().mean()) + 1e-12)


def changes(degraded: Tensor, clean: Tensor) -> Array:
    """(H, W, 3)."""
    return (degraded - clean)[0].permute(1, 2, 0).numpy()


def orientation(residual: Array) -> tuple[float, float]:
    """Mean and spread of the streaks' angle from the vertical in degrees, by the structure tensor."""
    along_y, along_x = (ndimage.gaussian_filter(residual, 1.5, order=order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (ndimage.gaussian_filter(p, 2) for p in (along_x**2, along_y**2, along_x * along_y))
    coherent = np.hypot(xx - yy, 2 * xy)  # how much there is to see, times how much of it has a direction
    double = -np.arctan2(2 * xy, xx - yy)  # the angle is its half: a streak has no front
    mean = (coherent * np.exp(1j * double)).sum() / (coherent.sum() + 1e-12)
    spread = math.sqrt(-2 * math.log(min(max(abs(mean), 1e-9), 1.0))) / 2
    return math.degrees(np.angle(mean) / 2), math.degrees(spread)


def rain_figures(degraded: Tensor, clean: Tensor) -> dict[str, float]:
    residual = changes(degraded, clean).mean(2)
    streaks = residual > CHANGED
    angle, spread = orientation(residual)
    return {
        "PSNR, dB": psnr(degraded, clean),
        "share of streaks, %": 100 * streaks.mean(),
        "their brightness": float(residual[streaks].mean()) if streaks.any() else 0.0,
        "angle, °": abs(angle),
        "spread, °": spread,
    }


def drop_figures(degraded: Tensor, clean: Tensor) -> dict[str, float]:
    changed = np.abs(ndimage.gaussian_filter(changes(degraded, clean), (2, 2, 0))).mean(2) > CHANGED
    labels, count = ndimage.label(changed)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    areas = areas[areas >= SMALLEST_DROP]
    figures = {"PSNR, dB": psnr(degraded, clean), "covered, %": 100 * changed.mean()}
    figures["drops per megapixel"] = len(areas) / changed.size * 1e6
    diameters = 2 * np.sqrt(areas / math.pi) / len(changed) * 100
    for name, quantile in (("lower quartile", 0.25), ("median", 0.5), ("upper quartile", 0.75)):
        figures[f"{name} of diameters, % of height"] = (
            float(np.quantile(diameters, quantile)) if len(areas) else math.nan
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rain", type=Path, help="folder of rainy pairs")
    parser.add_argument("--drops", type=Path, help="folder of pairs with raindrops")
    parser.add_argument("--clean", type=Path, help="folder of clean photos")
    arguments = parser.parse_args()
    photos = sorted(arguments.clean.iterdir()) if arguments.clean else []
    rain, drops = DEGRADATIONS["rain"], DEGRADATIONS["raindrop"]
    for title, figures, real, degradations in (
        ("Rain", rain_figures, arguments.rain, {**rain.levels, "default": rain.renderer, **rain.families}),
        ("Raindrops", drop_figures, arguments.drops, {**drops.levels, "default": drops.renderer}),
    ):
        rows: dict[str, Iterable[Pair]] = {real.name: real_pairs(real)} if real else {}
        if photos:
            rows |= {name: synthetic_pairs(degradation, photos, cropped) for name, degradation in degradations.items()}
        print_table(title, figures, rows)


if __name__ == "__main__":
    main()
