"""Animated PNG: frames laid over each other, at their own depth, in exact time."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import open_picture, write_photo, write_picture
from pellucid.imaging.encode import SIGNATURE, chunk

from conftest import animation, assert_same, drawn, frames_of

RNG = np.random.default_rng(7)


def apng_of(parts, size):
    """An animated PNG of (RGBA image, left, top, disposal, blending), as its chunks are written by hand."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0))]
    chunks.append((b"acTL", struct.pack(">II", len(parts), 0)))
    sequence = 0
    for index, (image, left, top, disposal, blending) in enumerate(parts):
        control = struct.pack(">IIIIIHHBB", sequence, *image.size, left, top, 1, 25, disposal, blending)
        rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(image))
        data, sequence = zlib.compress(rows), sequence + 1 + bool(index)
        stored = (b"fdAT", struct.pack(">I", sequence - 1) + data) if index else (b"IDAT", data)
        chunks += [(b"fcTL", control), stored]
    return SIGNATURE + b"".join(b"".join(chunk(*each)) for each in (*chunks, (b"IEND", b"")))


@pytest.mark.parametrize("disposals", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 2, 2, 2), (0, 2, 1, 0), (0, 1, 2, 2)])
@pytest.mark.parametrize("blending", [0, 1])
def test_animated_pngs_are_laid_over_each_other(tmp_path, disposals, blending):
    size, canvas = (16, 12), Image.new("RGBA", (16, 12))
    parts, expected = [], []
    for index, disposal in enumerate(disposals):
        box = (9, 7) if index else size
        left, top = (2 * index, index) if index else (0, 0)
        image = Image.fromarray(RNG.integers(0, 256, (box[1], box[0], 4), np.uint8))
        parts.append((image, left, top, disposal, blending))
        before = canvas.copy()
        if blending:
            canvas.alpha_composite(image, (left, top))
        else:
            canvas.paste(image, (left, top))
        expected.append(np.asarray(canvas).astype(int))
        if disposal == 1:
            canvas.paste((0, 0, 0, 0), (left, top, left + box[0], top + box[1]))
        elif disposal == 2:
            canvas = before
    (tmp_path / "a.png").write_bytes(apng_of(parts, size))
    picture = open_picture(tmp_path / "a.png")
    assert picture.timing.durations == (40.0,) * 4
    for photo, rgba in zip(frames_of(tmp_path / "a.png"), expected, strict=True):
        assert abs(photo.alpha - rgba[:, :, 3]).max() <= 1
        visible = rgba[:, :, 3] > 30
        assert abs(photo.pixels[visible] - rgba[visible][:, :3]).max() <= (4 if blending else 0)


def test_a_default_picture_outside_the_animation_is_left_out(tmp_path, caplog):
    path = tmp_path / "a.png"
    images = [Image.new("RGB", (6, 5), colour) for colour in ("red", "green", "blue")]
    images[0].save(path, save_all=True, append_images=images[1:], default_image=True, duration=[30, 60])
    picture = open_picture(path)
    assert picture.timing.durations == (30.0, 60.0)
    assert [tuple(photo.pixels[0, 0]) for photo in frames_of(path)] == [(0, 128, 0), (0, 0, 255)]
    write_picture(picture, tmp_path / "b.webp")
    assert "left out: default picture" in caplog.text


def test_deep_animations_keep_their_depth(tmp_path):
    photos, path = list(drawn(dtype="uint16", alpha=True)), tmp_path / "a.png"
    write_picture(animation(photos), path)
    for photo, back in zip(photos, frames_of(path), strict=True):
        assert back.pixels.dtype == np.uint16
        assert_same(photo, back)


def test_uneven_durations_of_an_animated_png(tmp_path, caplog):
    durations = (1000 / 30, 1000 * 1001 / 60000, 120000.0)
    write_picture(animation(durations=durations), tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").timing.durations == durations
    assert not caplog.records


def test_frames_of_different_depths_are_no_animated_png(tmp_path):
    with pytest.raises(ImageError, match="differ in depth or channels"):
        write_picture(animation([*drawn(2), *drawn(1, alpha=True)]), tmp_path / "a.png")


def test_an_animated_png_of_one_frame_is_one_picture(tmp_path):
    write_photo(next(drawn()), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    control = struct.pack(">IIIIIHHBB", 0, 11, 14, 0, 0, 1, 10, 0, 0)
    chunks = b"".join((*chunk(b"acTL", struct.pack(">II", 1, 0)), *chunk(b"fcTL", control)))
    (tmp_path / "a.png").write_bytes(data[:33] + chunks + data[33:])
    picture = open_picture(tmp_path / "a.png")
    assert (picture.count, picture.timing) == (1, None)
