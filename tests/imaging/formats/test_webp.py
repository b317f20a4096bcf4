"""WebP: lossless stays lossless, and frames are laid over each other as browsers do."""

import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence

from pellucid.errors import ImageError
from pellucid.imaging import Photo, Picture, Saving, open_picture, read_photo, read_size, write_photo, write_picture
from pellucid.imaging.carried import Native

from conftest import animation, assert_same, drawn, frames_of

RNG = np.random.default_rng(7)


def test_a_lossless_one_stays_one(tmp_path):
    values = RNG.integers(0, 256, (20, 20, 4), np.uint8)
    values[:9, :, 3] = 0  # colours that nobody sees
    Image.fromarray(values).save(tmp_path / "a.webp", lossless=True, exact=True)
    photo = read_photo(tmp_path / "a.webp")
    write_photo(photo, tmp_path / "b.webp")
    np.testing.assert_array_equal(np.dstack([photo.pixels, photo.alpha]), values)
    np.testing.assert_array_equal(read_photo(tmp_path / "b.webp").pixels, values[:, :, :3])
    write_photo(photo, tmp_path / "c.webp", quality=80)
    assert not read_photo(tmp_path / "c.webp").lossless


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_lossless_by_choice(tmp_path, bands):
    values = RNG.integers(0, 256, (30, 20, bands), np.uint8)
    alpha = values[:, :, -1] if bands in (2, 4) else None
    photo = Photo(pixels=values[:, :, : bands - (alpha is not None)], alpha=alpha)
    write_picture(Picture.of(photo), tmp_path / "a.webp", Saving(compression="lossless"))
    back = read_photo(tmp_path / "a.webp")
    assert back.lossless
    np.testing.assert_array_equal(back.pixels, np.broadcast_to(photo.pixels, back.pixels.shape))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.webp").convert("RGB")), back.pixels)
    if alpha is not None:
        np.testing.assert_array_equal(back.alpha, alpha)


def test_what_it_has_beside_its_pixels(tmp_path, caplog):
    exif, native = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", (Native("WEBP", "abCD chunk", b"abCD", b"odd"),)
    photo = replace(next(drawn(1)), exif=exif, icc=b"profile", xmp=b"<x/>", native=native)
    write_photo(photo, tmp_path / "a.webp")
    back = read_photo(tmp_path / "a.webp")
    assert (back.exif, back.icc, back.xmp, back.native) == (exif, b"profile", b"<x/>", native)
    with Image.open(tmp_path / "a.webp") as image:
        assert (image.info["exif"], image.info["icc_profile"], image.info["xmp"]) == (exif[6:], b"profile", b"<x/>")
    assert not caplog.records
    write_photo(back, tmp_path / "a.bmp")
    assert "BMP cannot hold its exif, xmp, abCD chunk" in caplog.text


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_size_by_the_head(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (300, 20)).save(tmp_path / "a.webp", exif=exif)
    assert read_size(tmp_path / "a.webp") == ((300, 20) if orientation == 6 else (20, 300))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_what_is_cut_short_is_refused(tmp_path, share):
    write_photo(Photo(pixels=RNG.integers(0, 256, (40, 40, 3), np.uint8)), tmp_path / "a.webp")
    data = (tmp_path / "a.webp").read_bytes()
    (tmp_path / "a.webp").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ImageError, match="cut short"):
        read_photo(tmp_path / "a.webp")


def webp_chunk(name, data):
    return struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2)


def webp_of(parts, size):
    """An animated WebP of (RGBA image, left, top, disposes, blends), as its chunks are written by hand."""
    number = lambda value: value.to_bytes(3, "little")  # noqa: E731
    body = webp_chunk(b"VP8X", bytes((0x12, 0, 0, 0)) + number(size[0] - 1) + number(size[1] - 1))
    body += webp_chunk(b"ANIM", bytes(6))
    for image, left, top, disposes, blends in parts:
        buffer = BytesIO()
        image.save(buffer, "WEBP", lossless=True, exact=True)
        place = number(left // 2) + number(top // 2) + number(image.width - 1) + number(image.height - 1)
        still = buffer.getvalue()[12:]
        body += webp_chunk(b"ANMF", place + number(40) + bytes((disposes | (not blends) << 1,)) + still)
    return webp_chunk(b"RIFF", b"WEBP" + body)


@pytest.mark.parametrize("disposals", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1)])
@pytest.mark.parametrize("blends", [False, True])
def test_animated_webps_are_laid_over_each_other(tmp_path, disposals, blends):
    parts = []
    for index, disposal in enumerate(disposals):
        box, place = ((9, 7), (2 * index, 2 * index)) if index else ((16, 14), (0, 0))
        image = Image.fromarray(RNG.integers(0, 256, (box[1], box[0], 4), np.uint8))
        parts.append((image, *place, disposal, blends))
    (tmp_path / "a.webp").write_bytes(webp_of(parts, (16, 14)))
    photos = frames_of(tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        seen = [np.asarray(frame.convert("RGBA")).astype(int) for frame in ImageSequence.Iterator(image)]
    for photo, rgba in zip(photos, seen, strict=True):
        assert abs(photo.alpha - rgba[:, :, 3]).max() <= 3  # libwebp cuts what is behind the point
        visible = rgba[:, :, 3] > 30
        assert abs(photo.pixels[visible] - rgba[visible][:, :3]).max() <= (4 if blends else 0)


def test_quality_and_compression_of_animations(tmp_path):
    photos = [replace(photo, lossless=False) for photo in drawn()]
    for name, saving in (("a", Saving(quality=30)), ("b", Saving(compression="lossless"))):
        write_picture(animation(photos), tmp_path / f"{name}.webp", saving)
    assert (tmp_path / "a.webp").stat().st_size < (tmp_path / "b.webp").stat().st_size
    for photo, back in zip(photos, frames_of(tmp_path / "b.webp"), strict=True):
        assert_same(photo, back)
        assert back.lossless


def test_an_animation_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photos = list(drawn())
    write_picture(animation([replace(photo, exif=exif.tobytes()) for photo in photos]), tmp_path / "a.webp")
    picture = open_picture(tmp_path / "a.webp")
    assert picture.path is None
    assert picture.size == (11, 14)
    for photo, back in zip(photos, picture.frames(), strict=True):
        np.testing.assert_array_equal(back.array(), np.rot90(photo.pixels, -1))
