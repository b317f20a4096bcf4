"""Tone curves: which profiles need another encoding for a network, and that pixels come back as they were."""

import struct

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ImageCms

from pellucid.imaging import Carried, Encoding
from pellucid.imaging.carried import Cicp, Native
from pellucid.imaging.color import to_depth

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


def encoding(icc, channels=3):
    return Encoding.of(Carried(icc=icc), channels)


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
    assert encoding(icc) is None


def test_linear_light_is_encoded_as_srgb_does():
    pixels = np.array([[[0, 65535, 11876]]], np.uint16)  # 18 % grey
    working = encoding(LINEAR).to_working(pixels)
    np.testing.assert_allclose(working[0, 0], (0, 1, 0.4636), atol=1e-3)
    halves = np.full((1, 1, 3), 0.5, np.float32)
    np.testing.assert_allclose(encoding(LINEAR).to_working(halves), 0.7354, atol=1e-3)


def test_tables_and_parameters_say_the_same():
    pixels = RNG.random((9, 7, 3), np.float32)
    by_gamma = encoding(GAMMA_18).to_working(pixels)
    table = [round(65535 * (i / 1023) ** 1.8) for i in range(1024)]
    for icc in (
        profile(*[curve(*table)] * 3),
        profile(*[parametric(0, 1.8)] * 3),
        profile(*[parametric(1, 1.8, 1, 0)] * 3),
    ):
        np.testing.assert_allclose(encoding(icc).to_working(pixels), by_gamma, atol=2e-3)


@pytest.mark.parametrize("icc", [LINEAR, GAMMA_18, MIXED])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_value_comes_back(icc, dtype):
    way, top = encoding(icc), np.iinfo(dtype).max
    pixels = np.repeat(np.arange(top + 1, dtype=dtype).reshape(-1, 256, 1), 3, axis=2)
    decoded = to_depth(way.from_working(way.to_working(pixels)), dtype)
    assert abs(decoded.astype(int) - pixels.astype(int)).max() <= (0 if icc is LINEAR else 1)


@given(hnp.arrays(np.float32, (3, 2, 3), elements=st.floats(-8, 60000, width=32)))
def test_floats_come_back(pixels):
    for icc in (LINEAR, GAMMA_18):
        way = encoding(icc)
        working = way.to_working(pixels)
        assert np.isfinite(working).all()
        np.testing.assert_allclose(way.from_working(working), pixels, rtol=1e-3, atol=1e-3)


def test_grey_profiles():
    way = encoding(profile(curve()), 1)
    pixels = RNG.integers(0, 65536, (4, 5, 1), np.uint16)
    np.testing.assert_array_equal(to_depth(way.from_working(way.to_working(pixels)), np.uint16), pixels)
    assert encoding(LINEAR, 1) is None


@pytest.mark.parametrize(
    ("carried", "power"),
    [
        ({"cicp": Cicp(9, 8)}, 1),  # linear light
        ({"cicp": Cicp(1, 5)}, 2.8),
        ({"cicp": Cicp(9, 16)}, None),  # PQ
        ({"cicp": Cicp(9, 18)}, None),  # HLG
        ({"cicp": Cicp(12, 13)}, None),  # Display P3
        ({"cicp": Cicp(9, 14)}, None),  # BT.2020 without HDR
        ({"cicp": Cicp(9, 16), "icc": LINEAR}, 1),  # a profile counts for more
        ({"native": (Native("PNG", "gamma", b"gAMA", struct.pack(">I", 100000)),)}, 1),
        ({"native": (Native("PNG", "gamma", b"gAMA", struct.pack(">I", 45455)),)}, None),
        ({"native": (Native("PNG", "gamma", b"gAMA", bytes(4)),)}, None),
        ({"cicp": Cicp(1, 13), "native": (Native("PNG", "gamma", b"gAMA", struct.pack(">I", 100000)),)}, None),
        ({}, None),
    ],
)
def test_numbers_and_gammas_tell_tones_too(carried, power):
    way = Encoding.of(Carried(**carried), 3)
    if power is None:
        assert way is None
    else:
        grey = np.full((1, 1, 3), 0.4636 ** (2.2 / power), np.float32)
        np.testing.assert_allclose(way.to_working(grey), 0.4636, atol=0.01)


@given(st.binary(max_size=400), st.integers(0, 399))
def test_no_profile_breaks_it(junk, at):
    encoding((MIXED[:at] + junk) or b"x")
