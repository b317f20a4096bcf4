"""Hard-edged shapes drawn larger and averaged down, as a graphics program draws them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Shapes = tuple[FloatArray, FloatArray]  # corners (N, corners, 2) as x, y in pixels; levels (N,) in [0, 1]

FINE_PIXELS_AT_ONCE = 2**25  # bounds the memory of drawing, at a byte each
DISC_CORNERS = 12
OUTLINE = 1 / 3  # pixels by which shapes grow, for Pillow paints their outlines too


def ribbons(paths: FloatArray, widths: FloatArray) -> FloatArray:
    """Outlines of paths that have a width.

    Args:
        paths: (N, points, 2), x and y in pixels.
        widths: (N, points), in pixels.

    Returns:
        (N, 2 · points, 2): down one side and up the other.
    """
    along = np.gradient(paths, axis=1)
    along /= np.maximum(np.hypot(along[..., 0], along[..., 1])[..., None], 1e-9)
    aside = np.stack([-along[..., 1], along[..., 0]], -1) * np.maximum(widths - OUTLINE, 0.0)[..., None] / 2
    return np.concatenate([paths + aside, (paths - aside)[:, ::-1]], 1)


def discs(centres: FloatArray, widths: FloatArray, lengths: FloatArray, angles: FloatArray) -> FloatArray:
    """Outlines (N, corners, 2) of ellipses around centres (N, 2), so long (N,) at angles (N,) from the vertical."""
    turn = np.linspace(0, 2 * math.pi, DISC_CORNERS, endpoint=False)
    across = np.outer(np.maximum(widths - OUTLINE, 0.0) / 2, np.cos(turn))
    along = np.outer(np.maximum(lengths - OUTLINE, 0.0) / 2, np.sin(turn))
    sin, cos = np.sin(angles)[:, None], np.cos(angles)[:, None]
    return centres[:, None] + np.stack([across * cos + along * sin, along * cos - across * sin], -1)


def draw(groups: Sequence[Shapes], height: int, width: int, *, oversampling: int = 3) -> Tensor:
    """Draw shapes over each other, each group from its faintest to its brightest.

    Args:
        groups: the later ones lie on top.
        height, width: of the picture.
        oversampling: how many times larger it is drawn; 1 leaves edges as stairs.

    Returns:
        (H, W) in [0, 1], float32, on the CPU.
    """
    rows = max(1, FINE_PIXELS_AT_ONCE // (width * oversampling**2))
    bands = [_draw_band(groups, top, min(rows, height - top), width, oversampling) for top in range(0, height, rows)]
    return torch.from_numpy(np.concatenate(bands)).float() / 255


def _draw_band(
    groups: Sequence[Shapes], top: int, height: int, width: int, oversampling: int
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    canvas = Image.new("L", (width * oversampling, height * oversampling))
    pencil = ImageDraw.Draw(canvas)
    for corners, levels in groups:
        y = corners[..., 1]
        seen = (y.max(1, initial=-math.inf) >= top - 1) & (y.min(1, initial=math.inf) <= top + height + 1)
        order = np.flatnonzero(seen)[levels[seen].argsort(kind="stable")]
        fine = np.floor((corners[order] - (0.0, top)) * oversampling)  # Pillow would round towards 0
        greys = np.rint(levels[order] * 255).clip(0, 255).astype(int).tolist()
        for outline, grey in zip(fine.reshape(len(order), 2 * corners.shape[1]).tolist(), greys, strict=True):
            pencil.polygon(outline, fill=grey)
    return np.asarray(canvas.reduce(oversampling) if oversampling > 1 else canvas)


def blurred(mask: Tensor, sigma: float) -> Tensor:
    """A mask (H, W) in [0, 1] through a Gaussian of this deviation in pixels, near enough; 0 leaves it as it is."""
    if sigma <= 0:
        return mask
    picture = Image.fromarray((mask * 255).round().byte().numpy()).filter(ImageFilter.GaussianBlur(sigma))
    return torch.from_numpy(np.array(picture)).float() / 255
