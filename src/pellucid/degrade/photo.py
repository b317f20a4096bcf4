"""Degrading whole photographs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pellucid.degrade.compose import compose, has_lengths
from pellucid.imaging import Photo, to_depth

USUAL_SIDE = 480  # pixels: the shorter side of pictures for which streaks, drops and shakes have their usual lengths


def degrade_photo(photo: Photo, options: Mapping[str, Mapping[str, Any]], *, seed: int) -> Photo:
    """Degrade a photograph; all but its pixels is carried over, transparency and what is unknown untouched.

    Args:
        photo: of any size and depth.
        options: as for ``compose``. Lengths in pixels grow with the picture, unless ``scale`` is given.
        seed: of everything random.

    Raises:
        ConfigError: as ``compose``.
    """
    scale = max(min(photo.height, photo.width) / USUAL_SIDE, 1.0)
    degradation = compose({name: _scaled(name, given, scale) for name, given in options.items()})
    top = 1.0 if photo.pixels.dtype.kind == "f" else float(np.iinfo(photo.pixels.dtype).max)
    white = np.float32(1.0 if photo.white is None else photo.white / top)
    image = torch.from_numpy(to_depth(photo.pixels, np.float32) / white).permute(2, 0, 1)[None]
    params = degradation.sample(torch.Generator().manual_seed(seed))
    degraded = degradation.apply(image, [params])[0].permute(1, 2, 0).numpy()
    pixels = to_depth(np.ascontiguousarray(degraded * white), photo.pixels.dtype)
    if photo.no_data is not None:
        pixels = np.where(photo.pixels == photo.no_data, photo.pixels, pixels)
    return photo.with_pixels(pixels)


def _scaled(name: str, given: Mapping[str, Any], scale: float) -> dict[str, Any]:
    return {"scale": scale, **given} if has_lengths(name, given.get("family")) else dict(given)
