"""GIF: 256 colours a frame, comments and XMP, and an end that may be missing."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import Photo, open_picture, read_photo, write_photo, write_picture
from pellucid.imaging.carried import Text

from conftest import animation, assert_same, drawn, frames_of

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_pixels_are_those_of_pillow(tmp_path, mode, interlace):
    image = Image.fromarray(RNG.integers(0, 256, (50, 31, 3), np.uint8)).convert("L")
    image = image if mode == "L" else Image.merge("RGB", (image, image.rotate(180), image)).quantize(200)
    image.save(tmp_path / "a.gif", interlace=interlace)
    photo = read_photo(tmp_path / "a.gif")
    assert photo.channels == (1 if mode == "L" else 3)
    expected = np.asarray(Image.open(tmp_path / "a.gif").convert("RGB"))
    np.testing.assert_array_equal(np.broadcast_to(photo.pixels, expected.shape), expected)


def test_comments_and_xmp(tmp_path, caplog):
    comments, xmp = (Text("Comment", "hello"), Text("Comment", "Gro\udcdf " * 90)), b"<x:xmpmeta/>" * 50
    write_photo(replace(next(drawn()), text=(*comments, Text("Title", "none")), xmp=xmp), tmp_path / "a.gif")
    back = read_photo(tmp_path / "a.gif")
    assert (back.text, back.xmp) == (comments, xmp)
    assert b"hello" in Image.open(tmp_path / "a.gif").info["comment"]
    assert "GIF cannot hold its text (Title)" in caplog.text


@pytest.mark.parametrize("size", [b"\0\0\5\0", b"\5\0\0\0"])
def test_a_picture_of_no_pixels_is_refused(tmp_path, size):
    write_photo(next(drawn()), tmp_path / "a.gif")
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:6] + size + data[10:])
    with pytest.raises(ImageError, match="no picture"):
        read_photo(tmp_path / "a.gif")


def test_gif_repeats_are_plays_less_one(tmp_path):
    write_picture(animation(plays=3), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 2
    write_picture(animation(plays=1), tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as image:
        assert "loop" not in image.info


def test_more_than_256_colours_are_dithered_and_said_once(tmp_path, caplog):
    path = tmp_path / "a.gif"
    photos = [Photo(pixels=RNG.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(3)]
    write_picture(animation(photos), path)
    assert caplog.text.count("256 colours") == 1
    for photo, back in zip(photos, frames_of(path), strict=True):
        assert abs(photo.pixels.mean() - back.pixels.mean()) < 4


def test_half_transparency_is_lost_in_a_gif_with_a_word(tmp_path, caplog):
    photo = next(drawn())
    alpha = np.full(photo.pixels.shape[:2], 255, np.uint8)
    alpha[:4], alpha[4:8] = 200, 90
    write_photo(replace(photo, alpha=alpha), tmp_path / "a.gif")
    assert "half transparent" in caplog.text
    np.testing.assert_array_equal(read_photo(tmp_path / "a.gif").alpha, np.where(alpha < 128, 0, 255))


def test_a_frame_that_outgrows_its_gif(tmp_path):
    """Pillow would make the canvas as large as the frame claims to be."""
    write_picture(animation(), tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    at = data.rindex(b"\x2c\0\0\0\0" + struct.pack("<HH", 11, 14))
    data[at + 5 : at + 9] = struct.pack("<HH", 60000, 60000)
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(ImageError, match="above the limit of 1000 megapixels"):
        open_picture(tmp_path / "a.gif")


def test_a_gif_without_its_end_marker_is_whole(tmp_path, caplog):
    write_picture(animation(), tmp_path / "a.gif")
    expected = frames_of(tmp_path / "a.gif")
    (tmp_path / "b.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:-1])
    for photo, back in zip(expected, frames_of(tmp_path / "b.gif"), strict=True):
        assert_same(photo, back)
    assert "lacks its end marker" in caplog.text
