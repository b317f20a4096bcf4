"""Natural image quality evaluator: how far a picture's statistics are from those of good photographs.

Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", 2013. No true picture is
needed; lower is better. Figures depend on the pristine model as much as on the picture: ``niqe`` takes the one
that a paper used, ``niqe_pellucid`` has our own, and their figures must never share a table.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ConfigError, ImageError, MissingExtraError
from pellucid.metrics.protocols import check_picture, luma
from pellucid.metrics.window import gaussian_window, local_mean

Array = NDArray[np.float64]

BLOCK = 96  # pixels a side at full scale
FEATURES = 36
WINDOW = gaussian_window(7, sigma=7 / 6)
FLAT = 1e-9  # coefficients below are rounding errors
SHARP = 0.75  # of the sharpest block in a picture: what a pristine model learns from
NEIGHBOURS = (0, 1), (1, 0), (1, 1), (1, -1)
HALF_SCALE = np.array([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]) / 2  # taps of the cubic that halves


@dataclass(frozen=True, kw_only=True, eq=False)
class PristineModel:
    """The multivariate Gaussian of good photographs' features: mean (36,) and covariance (36, 36)."""

    mean: Array
    covariance: Array


def niqe(a: NDArray[Any], pristine: PristineModel | str | os.PathLike[str]) -> float:
    """NIQE of a picture's rounded BT.601 luma; lower is better.

    Args:
        a: (H, W, 1 or 3) or (H, W), uint8 or uint16 (which counts on the scale of 0-255); grey counts as equal
            red, green and blue. Rows and columns beyond multiples of 96 are left out.
        pristine: the model, or its file as ``load_pristine`` takes it.

    Raises:
        ConfigError, MissingExtraError: the model cannot be read.
        ImageError: a picture of another kind, or with fewer than two blocks of 96 pixels that are not flat.
    """
    if not isinstance(pristine, PristineModel):
        pristine = load_pristine(pristine)
    features = _features(_rounded_luma(a))
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        raise ImageError(f"NIQE needs a picture with two blocks of {BLOCK}x{BLOCK} that are not flat, not {a.shape}")
    difference = np.nanmean(features, axis=0) - pristine.mean
    precision = np.linalg.pinv((pristine.covariance + np.cov(whole, rowvar=False)) / 2)
    return math.sqrt(difference @ precision @ difference)


def niqe_pellucid(a: NDArray[Any]) -> float:
    """NIQE with pellucid's own pristine model, fitted on 247 openly licensed photographs; see ``niqe``.

    It ranks pictures much as the published model does, but its values are not comparable to published ones.

    Raises:
        ImageError: as ``niqe``.
    """
    return niqe(a, _own_model())


def load_pristine(path: str | os.PathLike[str]) -> PristineModel:
    """Read a pristine model: the one vector of 36 and the one 36×36 matrix in a .npz or MATLAB's .mat file.

    Raises:
        ConfigError: no such file, or it holds no such arrays.
        MissingExtraError: a .mat file, and SciPy is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; NIQE's model comes with its authors' release or BasicSR")
    try:
        return _model_of(_load_mat(path) if path.suffix.lower() == ".mat" else dict(np.load(path)))
    except MissingExtraError:
        raise
    except Exception:  # readers that meet bytes of another kind may raise anything
        raise ConfigError(f"{path}: no pristine model; it must hold 36 means and their 36×36 covariance") from None


def fit_pristine(pictures: Iterable[NDArray[Any]]) -> PristineModel:
    """Fit a pristine model to good photographs, on the blocks at least 0.75 as sharp as the sharpest of each.

    Args:
        pictures: arrays as ``niqe`` takes them.

    Raises:
        ImageError: a picture of another kind, or not one block in all of them.
    """
    sharpest: list[Array] = []
    for picture in pictures:
        luma = _rounded_luma(picture)
        sharpness = _blocks(_contrast(luma)[1], BLOCK).mean(axis=1)
        sharpest.append(_features(luma)[sharpness > SHARP * sharpness.max(initial=0)])
    features = np.concatenate([np.empty((0, FEATURES)), *sharpest])
    features = features[~np.isnan(features).any(axis=1)]
    if len(features) < 2:
        raise ImageError(f"A pristine model needs photographs with sharp blocks of {BLOCK}x{BLOCK} pixels")
    return PristineModel(mean=features.mean(axis=0), covariance=np.cov(features, rowvar=False))


@cache
def _own_model() -> PristineModel:
    with as_file(files(__package__ or "pellucid.metrics") / "pristine.npz") as path:
        return load_pristine(path)


def _load_mat(path: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtraError("A .mat pristine model", "niqe") from None
    return loadmat(path)


def _model_of(arrays: Mapping[str, Any]) -> PristineModel:
    numbers = [np.asarray(value, np.float64) for value in arrays.values() if hasattr(value, "shape")]
    (mean,) = (array.ravel() for array in numbers if array.size == FEATURES)
    (covariance,) = (array for array in numbers if array.shape == (FEATURES, FEATURES))
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("not finite")
    return PristineModel(mean=mean, covariance=covariance)


def _rounded_luma(picture: NDArray[Any]) -> Array:
    """Luma on the scale of 0-255, rounded, cut to multiples of the block from the top left."""
    check_picture(picture)
    peak = int(np.iinfo(picture.dtype).max)
    rgb = np.broadcast_to(np.atleast_3d(picture).astype(np.float64), (*picture.shape[:2], 3)) / (peak / 255)
    height, width = (side // BLOCK * BLOCK for side in picture.shape[:2])
    return np.rint(luma(rgb, 255)[:height, :width, 0])


def _features(image: Array) -> Array:
    """(blocks, 36): 18 of each block at full scale, and 18 at half."""
    if not image.size:
        return np.empty((0, FEATURES))
    scales: list[Array] = []
    for side in (BLOCK, BLOCK // 2):
        mean, deviation = _contrast(image)
        coefficients = (image - mean) / (deviation + 1)
        # rounding errors on flat ground have signs, which would be counted
        coefficients[np.abs(coefficients) < FLAT] = 0
        scales.append(_scale_features(_blocks(coefficients, side), side))
        image = _halved(image)
    return np.concatenate(scales, axis=1)


def _contrast(image: Array) -> tuple[Array, Array]:
    """Local mean and standard deviation, of the image's size: borders are repeated."""
    if not image.size:
        return image, image
    padded = np.pad(image, len(WINDOW) // 2, "edge")
    mean = local_mean(padded, WINDOW)
    return mean, np.sqrt(np.abs(local_mean(padded**2, WINDOW) - mean**2))


def _blocks(image: Array, side: int) -> Array:
    """(blocks, side²)."""
    rows, columns = (length // side for length in image.shape)
    return image.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows * columns, side * side)


def _scale_features(blocks: Array, side: int) -> Array:
    """(blocks, 18): shape and spread of the coefficients, then the four fits of products of neighbours."""
    shape, left, right = _asymmetric_gaussian(blocks)
    features = [shape, (left + right) / 2]
    squares = blocks.reshape(-1, side, side)
    for shift in NEIGHBOURS:
        # neighbours wrap around within a block, as in the authors' script
        products = squares * np.roll(squares, shift, axis=(1, 2))
        shape, left, right = _asymmetric_gaussian(products.reshape(blocks.shape))
        features += [shape, (right - left) * _gamma(2 / shape) / _gamma(1 / shape), left, right]
    return np.stack(features, axis=1)


def _asymmetric_gaussian(samples: Array) -> tuple[Array, Array, Array]:
    """Moment fits of asymmetric generalised Gaussians to the rows: shape, left and right scale.

    NaN where a row has no negative or no positive sample.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = (
            np.sqrt(np.where(side, samples**2, 0).sum(axis=1) / side.sum(axis=1)) for side in (samples < 0, samples > 0)
        )
        ratio = left / right
        moments = np.abs(samples).mean(axis=1) ** 2 / (samples**2).mean(axis=1)
        moments *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, expected = _shape_table()
    nearest = np.searchsorted((expected[1:] + expected[:-1]) / 2, moments)
    # where there is no ratio a script's search for the minimum stays at the table's first row
    shape = shapes[np.where(np.isnan(moments), 0, nearest)]
    scale = np.sqrt(_gamma(1 / shape) / _gamma(3 / shape))
    return shape, left * scale, right * scale


@cache
def _shape_table() -> tuple[Array, Array]:
    """Shapes 0.2 to 10, and the ratio of moments (increasing) that each gives."""
    shapes = np.arange(200, 10001) / 1000
    return shapes, _gamma(2 / shapes) ** 2 / (_gamma(1 / shapes) * _gamma(3 / shapes))


def _gamma(values: Array) -> Array:
    return np.array([math.gamma(value) for value in values])


def _halved(image: Array) -> Array:
    """Half the size, as MATLAB's imresize: a bicubic twice as wide against aliasing, mirrored borders."""
    distance = np.abs(HALF_SCALE)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, far)
    padded = np.pad(image, len(HALF_SCALE) // 2 - 1, "symmetric")
    return local_mean(padded, weights / weights.sum())[::2, ::2]
