"""Tone curves: which profiles need another encoding for a network, and that pixels come back as they were."""

import struct

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ImageCms

from pellucid.imaging import Encoding

RNG = np.random.default_rng(8)


def curve(*values):
    """A tone curve as ICC's table: none is linear, one a gamma in 256ths."""
    return b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)


def parametric(kind, *numbers):
    return b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", kind, 0, *(round(n * 65536) for n in numbers))


def profile(*curves):
    """The part of a profile that is looked at."""
    names = (b"kTRC",) if len(curves) == 1 else (b"rTRC", b"gTRC", b"bTRC")
    at, table = 128 + 4 + 12 * len(names), struct.pack(">I", len(names))
    for name, data in zip(names, curves, strict=True):
        table += struct.pack(">4sII", name, at, len(data))
        at += len(data)
    return bytes(128) + table + b"".join(curves)


LINEAR = profile(*[curve()] * 3)
GAMMA_18 = profile(*[curve(round(1.8 * 256))] * 3)
MIXED = profile(curve(), curve(round(1.8 * 256)), parametric(0, 1.0))
SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@pytest.mark.parametrize(
    "icc",
    [
        None,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        bytes(pyvips.Image.profile_load("p3")),
        profile(*[curve(round(2.2 * 256))] * 3),
        profile(*[curve(563)] * 3),  # Adobe RGB
        profile(*[SRGB_CURVE] * 3),
        profile(*[parametric(3, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)] * 3),  # video
        b"no profile",
        LINEAR[:150],
        profile(*[curve(65535, 0)] * 3),
        bytes(pyvips.Image.profile_load("cmyk")),
    ],
)
def test_ordinary_profiles_and_ones_without_use_stay_as_they_are(icc):
    assert Encoding.of(icc, 3) is None


def test_linear_light_is_encoded_as_srgb_does():
    pixels = np.array([[[0, 65535, 11876]]], np.uint16)  # 18 % grey
    working = Encoding.of(LINEAR, 3).to_working(pixels)
    np.testing.assert_allclose(working[0, 0], (0, 1, 0.4636), atol=1e-3)
    halves = np.full((1, 1, 3), 0.5, np.float32)
    np.testing.assert_allclose(Encoding.of(LINEAR, 3).to_working(halves), 0.7354, atol=1e-3)


def test_tables_and_parameters_say_the_same():
    pixels = RNG.random((9, 7, 3), np.float32)
    by_gamma = Encoding.of(GAMMA_18, 3).to_working(pixels)
    table = [round(65535 * (i / 1023) ** 1.8) for i in range(1024)]
    for icc in (
        profile(*[curve(*table)] * 3),
        profile(*[parametric(0, 1.8)] * 3),
        profile(*[parametric(1, 1.8, 1, 0)] * 3),
    ):
        np.testing.assert_allclose(Encoding.of(icc, 3).to_working(pixels), by_gamma, atol=2e-3)


@pytest.mark.parametrize("icc", [LINEAR, GAMMA_18, MIXED])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_value_comes_back(icc, dtype):
    encoding, top = Encoding.of(icc, 3), np.iinfo(dtype).max
    pixels = np.repeat(np.arange(top + 1, dtype=dtype).reshape(-1, 256, 1), 3, axis=2)
    working = encoding.to_working(pixels)
    np.testing.assert_array_equal(encoding.from_working(working, pixels), pixels)
    # and not only because nothing became of them
    decoded = encoding.from_working(working, np.zeros_like(pixels))
    assert abs(decoded.astype(int) - pixels.astype(int)).max() <= (0 if icc is LINEAR else 1)


@given(hnp.arrays(np.float32, (3, 2, 3), elements=st.floats(-8, 60000, width=32)))
def test_floats_come_back_bit_by_bit(pixels):
    for icc in (LINEAR, GAMMA_18):
        encoding = Encoding.of(icc, 3)
        working = encoding.to_working(pixels)
        assert np.isfinite(working).all()
        np.testing.assert_array_equal(encoding.from_working(working, pixels), pixels)
        others = encoding.from_working(np.nextafter(working, np.float32(np.inf)), pixels)
        np.testing.assert_allclose(others, pixels, rtol=1e-3, atol=1e-3)


def test_grey_profiles():
    encoding = Encoding.of(profile(curve()), 1)
    pixels = RNG.integers(0, 65536, (4, 5, 1), np.uint16)
    np.testing.assert_array_equal(encoding.from_working(encoding.to_working(pixels), pixels), pixels)
    assert Encoding.of(LINEAR, 1) is None


def test_curves_that_are_level_at_their_ends():
    table = [0] * 100 + [round(65535 * i / 823) for i in range(824)] + [65535] * 100
    encoding = Encoding.of(profile(*[curve(*table)] * 3), 3)
    pixels = RNG.integers(0, 65536, (64, 64, 3), np.uint16)
    np.testing.assert_array_equal(encoding.from_working(encoding.to_working(pixels), pixels), pixels)


@given(st.binary(max_size=400), st.integers(0, 399))
def test_no_profile_breaks_it(junk, at):
    Encoding.of((MIXED[:at] + junk) or b"x", 3)
