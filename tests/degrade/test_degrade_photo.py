"""Photographs whose white is elsewhere, and of which not all is known."""

import numpy as np

from pellucid.degrade import degrade_photo
from pellucid.imaging import Photo

NOISE = {"gaussian": {"low": 25, "high": 25}}


def test_noise_is_as_strong_wherever_white_is() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    usual = degrade_photo(Photo(pixels=flat), NOISE, seed=3)
    tall = degrade_photo(Photo(pixels=flat * 255, white=255.0), NOISE, seed=3)
    np.testing.assert_allclose(tall.pixels / 255, usual.pixels, atol=1e-6)
    narrow = degrade_photo(Photo(pixels=(flat * 1022).astype(np.uint16), white=1022.0), NOISE, seed=3)
    np.testing.assert_allclose(narrow.pixels / 1022, usual.pixels, atol=1e-3)


def test_what_is_unknown_stays_so() -> None:
    pixels = np.full((32, 32, 3), 0.5, np.float32)
    pixels[:8] = -9999
    degraded = degrade_photo(Photo(pixels=pixels, no_data=-9999.0), NOISE, seed=3).pixels
    assert (degraded[:8] == -9999).all()
    assert (degraded[8:] != 0.5).mean() > 0.99
