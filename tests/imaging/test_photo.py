"""Photo: what it accepts, and how it exchanges pictures with Pillow."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pellucid.errors import ImageError
from pellucid.imaging import Photo

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 4), np.uint8),
        np.zeros((3, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((3, 4, 3), np.float64),
        np.zeros((3, 4, 3), ">u2"),
    ],
)
def test_impossible_pixels_are_refused(pixels):
    with pytest.raises(ImageError, match="Pixels must be"):
        Photo(pixels=pixels)


def test_alpha_must_match():
    with pytest.raises(ImageError, match="Alpha must be"):
        Photo(pixels=GREY, alpha=np.zeros((3, 4), np.uint16))
    with pytest.raises(ImageError, match="Alpha must be"):
        Photo(pixels=GREY, alpha=np.zeros((4, 3), np.uint8))


def test_with_pixels_keeps_the_rest():
    photo = Photo(pixels=GREY, dpi=(300, 300), icc=b"profile")
    other = photo.with_pixels(255 - GREY)
    assert (other.pixels == 255 - GREY).all()
    assert (other.dpi, other.icc) == (photo.dpi, photo.icc)
    with pytest.raises(ImageError):
        photo.with_pixels(GREY.astype(np.uint16))
    assert (photo.height, photo.width, photo.channels) == (3, 4, 1)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F"])
def test_pillow_round_trip(mode):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (5, 7, max(1, len(mode) if mode.isalpha() else 1)), np.uint8).squeeze()
    dtype = {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8)
    image = Image.fromarray(values.astype(dtype))
    assert image.mode == mode
    image.info["icc_profile"] = b"profile"
    back = Photo.from_pil(image).to_pil()
    assert back.mode == mode
    assert back.info["icc_profile"] == b"profile"
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image))


@pytest.mark.parametrize("mode", ["RGBX", "YCbCr", "HSV"])
def test_other_colour_modes_become_rgb(mode):
    colours = Image.new("RGB", (4, 3), (200, 100, 50))
    photo = Photo.from_pil(colours.convert(mode))
    assert photo.channels == 3
    assert abs(photo.pixels[0, 0].astype(int) - (200, 100, 50)).max() <= 2


def test_bilevel_becomes_grey():
    photo = Photo.from_pil(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"))
    assert photo.pixels.squeeze().tolist() == [0, 255]


def test_palette_becomes_rgb_and_its_transparency_alpha():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert Photo.from_pil(image).alpha is None
    image.info["transparency"] = 1
    photo = Photo.from_pil(image)
    assert photo.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert photo.alpha.tolist() == [[255, 0]]


def test_32_bit_integers_must_fit_in_16():
    fits = Image.fromarray(np.array([[0, 65535]], np.int32))
    assert Photo.from_pil(fits).pixels.dtype == np.uint16
    with pytest.raises(ImageError, match="16 bits"):
        Photo.from_pil(Image.fromarray(np.array([[0, 65536]], np.int32)))


def test_lab_becomes_srgb():
    lab = Image.merge("LAB", [Image.new("L", (2, 2), value) for value in (128, 128, 128)])
    photo = Photo.from_pil(lab)
    assert abs(photo.pixels.astype(int) - 119).max() <= 2
    assert ImageCms.getProfileName(ImageCms.ImageCmsProfile(io.BytesIO(photo.icc))).startswith("sRGB")


def test_deep_colour_has_no_pillow_mode():
    with pytest.raises(ImageError, match="no mode"):
        Photo(pixels=np.zeros((2, 2, 3), np.uint16)).to_pil()
