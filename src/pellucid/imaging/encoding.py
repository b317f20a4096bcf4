"""Tone curves: what networks are shown of pixels that are not encoded for the eye, and the way back."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging.carried import Carried

_STEPS = 65536
_GRID = np.linspace(0, 1, _STEPS)
# Greatest distance between a pixel and what sRGB would have in its place: gamma 2.2 has 0.033, video's curve 0.061,
# gamma 1.8 0.076, linear light 0.28
_FAR = 0.068
_HEADER_BYTES = 128
# H.273's transfers whose light is a power of the pixel. The others are near sRGB, or made for the eye: PQ and HLG
_POWERS = {5: 2.8, 8: 1.0, 17: 2.6}
_GAMMAS = range(25000, 400001)  # in 100000ths, that a picture may have; linear light has 100000
_CURVE_TAGS = {1: (b"kTRC",), 3: (b"rTRC", b"gTRC", b"bTRC")}
# How many numbers a parametric curve of each type has, in the ICC's order: g a b c d e f
_PARAMETERS = (1, 3, 4, 5, 7)


@dataclass(frozen=True, eq=False)
class Encoding:
    """A way from a picture's pixels to ones encoded as sRGB encodes light, and back.

    Attributes:
        curves: (channels, 65536), what becomes of pixels from 0 to full; never falling.
    """

    curves: NDArray[np.float64]

    @staticmethod
    def of(carried: Carried, channels: int) -> "Encoding | None":
        """Tell by a profile's tone curves, or else by numbers (cICP, nclx), or else by a PNG's gamma.

        Returns:
            None where pixels are fit for networks as they are: nothing is told of them, their curve is near sRGB's
            (gamma 2.2, Display P3, Adobe RGB, video), is made for the eye (PQ, HLG), or cannot be undone.
        """
        if carried.icc is not None:
            return _of_profile(carried.icc, channels)
        if carried.cicp is not None:
            power = _POWERS.get(carried.cicp.transfer)
            return None if power is None else _of_power(power, channels)
        parts = {part.key: part.data for part in carried.native if part.format == "PNG"}
        gamma = int.from_bytes(parts.get(b"gAMA", b""), "big")
        return _of_power(100000 / gamma, channels) if gamma in _GAMMAS and b"sRGB" not in parts else None

    def to_working(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Encode (H, W, C) of any depth as float32, nominally in [0, 1]; floats beyond stay beyond."""
        working = np.empty(pixels.shape, np.float32)
        for channel, curve in enumerate(self.curves):
            values = pixels[:, :, channel]
            if values.dtype.kind == "u":
                step = (_STEPS - 1) // np.iinfo(values.dtype).max
                working[:, :, channel] = curve[::step].astype(np.float32)[values]
            else:
                working[:, :, channel] = _forth(values, curve)
        return working

    def from_working(self, working: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give values (H, W, C) their own encoding back, nominally in [0, 1]."""
        pixels = np.empty(working.shape, np.float32)
        for channel, curve in enumerate(self.curves):
            pixels[:, :, channel] = _back(working[:, :, channel], curve)
        return pixels


@lru_cache(maxsize=8)
def _of_power(power: float, channels: int) -> Encoding | None:
    return _of_light([_GRID**power] * channels)


@lru_cache(maxsize=8)
def _of_profile(icc: bytes, channels: int) -> Encoding | None:
    try:
        tags = _tags(icc)
        light = [_light(tags[name]) for name in _CURVE_TAGS[channels]]
    except (struct.error, KeyError, IndexError, ValueError):
        return None  # profiles of tables, and damaged ones
    return _of_light(light)


def _of_light(light: list[NDArray[np.float64]]) -> Encoding | None:
    curves = np.stack([_srgb(values) for values in light])
    if not np.isfinite(curves).all() or (np.diff(curves) < 0).any() or np.abs(curves[:, [0, -1]] - (0, 1)).max() > 0.1:
        return None
    return Encoding(curves) if np.abs(curves - _GRID).max() > _FAR else None


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """The profile's tags by their signatures."""
    (count,) = struct.unpack_from(">I", icc, _HEADER_BYTES)
    entries = struct.iter_unpack(">4sII", icc[_HEADER_BYTES + 4 : _HEADER_BYTES + 4 + 12 * min(count, 1000)])
    return {name: icc[offset : offset + size] for name, offset, size in entries}


def _light(tag: bytes) -> NDArray[np.float64]:
    """The light, 0 to 1, that a tone curve gives pixels from 0 to full."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return _GRID
        values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        return _GRID ** (values[0] / 256) if count == 1 else np.interp(_GRID, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para":
        raise ValueError("no tone curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    numbers = np.frombuffer(tag, ">i4", _PARAMETERS[kind], 12) / 65536
    g, a, b, c, d, e, f = np.concatenate([numbers, np.zeros(7 - len(numbers))])
    if kind == 0:
        return _GRID**g
    if kind in (1, 2):  # level below -b/a, and c is added to all
        return np.maximum(a * _GRID + b, 0) ** g + c
    return np.where(d <= _GRID, np.maximum(a * _GRID + b, 0) ** g + e, c * _GRID + f)


def _forth(pixels: NDArray[Any], curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Floats along a curve; beyond its ends, highlights as sRGB continued and negative values in proportion."""
    inside = np.interp(pixels, _GRID, curve)
    above = curve[-1] + _srgb(np.maximum(pixels, 1).astype(np.float64)) - 1
    return np.where(pixels > 1, above, np.where(pixels < 0, curve[0] + pixels * _slope(curve), inside))


def _back(working: NDArray[Any], curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo ``_forth``."""
    inside = np.interp(working, curve, _GRID)
    above = ((np.maximum(working - curve[-1] + 1, 1) + 0.055) / 1.055) ** 2.4
    below = (working - curve[0]) / _slope(curve)
    return np.where(working > curve[-1], above, np.where(working < curve[0], below, inside))


def _slope(curve: NDArray[np.float64]) -> float:
    return max(1.0, float(curve[1] - curve[0]) * (_STEPS - 1))


def _srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """SRGB's encoding of light, which goes on above 1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
