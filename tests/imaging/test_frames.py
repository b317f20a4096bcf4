"""Several pictures in one file: counted, timed, composited and written again, one at a time."""

import logging
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from pellucid.errors import ImageError, RestoreError
from pellucid.imaging import (
    Photo,
    Picture,
    Timing,
    open_picture,
    read_size,
    write_photo,
    write_picture,
)
from pellucid.imaging.carried import Native, Text

from conftest import animation, assert_same, damaged, drawn, frames_of

RNG = np.random.default_rng(7)
ANIMATED = ["gif", "webp", "png"]
DURATIONS = (50.0, 120.0, 1000.0)


@pytest.mark.parametrize("plays", [0, 1, 5])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", ANIMATED)
def test_animations_round_trip(tmp_path, suffix, alpha, plays, caplog):
    photos, path = list(drawn(alpha=alpha)), tmp_path / f"a.{suffix}"
    write_picture(animation(photos, plays=plays), path)
    picture = open_picture(path)
    assert (picture.count, picture.timing) == (3, Timing(durations=DURATIONS, plays=plays))
    assert picture.format == {"gif": "GIF", "webp": "WEBP", "png": "PNG"}[suffix]
    for photo, back in zip(photos, picture.frames(), strict=True):
        back = Photo.of(back)
        if suffix == "gif" and alpha:  # which has no colours below its transparency
            assert (photo.alpha == back.alpha).all()
            assert (photo.pixels[photo.alpha > 0] == back.pixels[photo.alpha > 0]).all()
        else:
            assert_same(photo, back)
    assert not caplog.records


@pytest.mark.parametrize("suffix", ANIMATED)
def test_pillow_sees_the_same_animation(tmp_path, suffix):
    photos, path = list(drawn()), tmp_path / f"a.{suffix}"
    write_picture(animation(photos), path)
    with Image.open(path) as image:
        assert image.n_frames == 3
        seen = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    for photo, duration, (frame, told) in zip(photos, DURATIONS, seen, strict=True):
        np.testing.assert_array_equal(np.asarray(frame), photo.pixels)
        assert told == duration


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_small_frames_are_laid_over_each_other(tmp_path, disposal, suffix):
    """At places of their own, drawn as Pillow's viewer draws them."""
    path = tmp_path / f"a.{suffix}"
    images = []
    for index in range(4):
        image = Image.new("RGBA", (16, 12), (0, 0, 0, 0))
        image.paste((60 * index + 20, 200 - 50 * index, 90, 255), (3 * index, index, 3 * index + 5, index + 4))
        images.append(image)
    more = {"disposal": disposal} if suffix == "gif" else {"lossless": True, "allow_mixed": disposal == 1}
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, **more)
    with Image.open(path) as image:
        expected = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    photos = frames_of(path)
    assert len(photos) == len(expected) > 2
    for photo, rgba in zip(photos, expected, strict=True):
        visible = rgba[:, :, 3] > 0
        np.testing.assert_array_equal(photo.alpha, rgba[:, :, 3])
        np.testing.assert_array_equal(photo.pixels[visible], rgba[visible][:, :3])


@pytest.mark.parametrize(
    ("suffix", "durations", "held"),
    [
        ("gif", (1000 / 60, 11.0, 10.0, 14.0, 0.0, 10**6), (20.0, 20.0, 10.0, 20.0, 0.0, 655350.0)),
        ("webp", (1000 / 60, 11.0), (17.0, 11.0)),
    ],
)
def test_timing_that_cannot_be_held_is_named(tmp_path, caplog, suffix, durations, held):
    write_picture(animation(durations=durations), tmp_path / f"a.{suffix}")
    assert open_picture(tmp_path / f"a.{suffix}").timing.durations == held
    assert caplog.text.count("cannot hold its exact timing") == 1


def test_what_an_animation_has_beside_its_pixels(tmp_path, caplog):
    exif = Image.Exif()
    exif[0x010F] = "Pellucid"
    comment, native = (
        Text("Comment", "Großmutter " * 40),
        {
            "gif": Native("GIF", "Any prog1.0 extension", b"Any prog1.0", b"\3abc\0"),
            "webp": Native("WEBP", "abCD chunk", b"abCD", b"odd"),
            "png": Native("PNG", "prVt chunk", b"prVt", b"odd"),
        },
    )
    for suffix in ANIMATED:
        text = () if suffix == "webp" else (comment,)
        fields = {"exif": exif.tobytes(), "xmp": b"<x/>" * 200, "icc": b"profile!" * 90, "text": text}
        fields["native"] = (native[suffix],)
        photos = [replace(photo, **fields) for photo in drawn()]
        write_picture(animation(photos), tmp_path / f"a.{suffix}")
        for photo in frames_of(tmp_path / f"a.{suffix}"):
            assert (photo.xmp, photo.icc, photo.text) == (fields["xmp"], fields["icc"], text)
            assert photo.native == fields["native"]
            assert photo.exif == (None if suffix == "gif" else exif.tobytes())
    assert "GIF cannot hold its exif" in caplog.text
    assert len(caplog.records) == 1


def test_one_picture_is_not_several(tmp_path):
    photo = next(drawn())
    for suffix in ("gif", "webp", "png", "tif", "jpg", "bmp", "ppm", "pam", "avif"):
        write_photo(photo, tmp_path / f"a.{suffix}")
        picture = open_picture(tmp_path / f"a.{suffix}")
        assert (picture.count, picture.timing) == (1, None)
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "a.mpo", save_all=True, append_images=[image])
    assert open_picture(tmp_path / "a.mpo").count == 1


def test_targets_that_hold_one_picture_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r"a\.jpg: JPEG holds one picture; choose \.webp"):
        write_picture(animation(), tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"no timing"):
        write_picture(animation(), tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"choose \.tif"):
        write_picture(Picture.of(*drawn()), tmp_path / "a.gif")


@pytest.mark.parametrize("suffix", ANIMATED)
def test_two_frames_are_in_memory(tmp_path, suffix):
    """Of what is read, the canvas and the frame that is asked for, and some strips."""
    shape, path = (700, 900), tmp_path / f"a.{suffix}"
    flat = [Photo(pixels=np.full((*shape, 3), level, np.uint8), lossless=True) for level in range(8)]
    write_picture(animation(flat, durations=(40.0,) * 8), path)
    samples = shape[0] * shape[1] * 4
    tracemalloc.start()
    for index, frame in enumerate(open_picture(path).frames()):
        assert (frame.samples[:9] == index).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.2 * samples  # the last frame is let go of when the next one is there


def test_one_frame_at_a_time(tmp_path):
    """The writer asks for a frame only when the one before is done with."""
    alive, most = 0, 0

    class Held(Photo):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def counted():
        nonlocal alive, most
        for _ in range(12):
            alive += 1
            most = max(most, alive)
            yield Held(pixels=np.zeros((8, 8, 3), np.uint8))

    for suffix in ANIMATED:
        write_picture(animation(counted(), (40.0,) * 12), tmp_path / f"a.{suffix}")
        assert most <= 5  # the first is kept for what is beside it
        most = 0


@pytest.mark.parametrize("suffix", ANIMATED)
def test_a_failure_leaves_the_path_as_it_was(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"mine")

    def broken():
        yield next(drawn())
        raise RestoreError("out of memory")

    with pytest.raises(RestoreError, match=r"^out of memory"):
        write_picture(animation(broken()), path)
    with pytest.raises(ImageError, match="2 of 3 pictures"):
        write_picture(animation(drawn(2)), path)
    with pytest.raises(ImageError, match="more than 3"):
        write_picture(animation(drawn(4)), path)
    with pytest.raises(ImageError, match="differ in size"):
        write_picture(animation([*drawn(2), *drawn(1, size=(3, 3))]), path)
    with pytest.raises(ImageError, match="exists already"):
        write_picture(animation(), path, overwrite=False)
    assert path.read_bytes() == b"mine"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ANIMATED)
def test_large_frames_are_refused_by_the_header(tmp_path, suffix):
    write_picture(animation(drawn(size=(100, 100))), tmp_path / f"a.{suffix}")
    assert read_size(tmp_path / f"a.{suffix}") == (100, 100)
    with pytest.raises(ImageError, match=r"100×100, above the limit of 0\.009 megapixels; `max_pixels`"):
        open_picture(tmp_path / f"a.{suffix}", max_pixels=9000)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_no_damage_escapes(tmp_path, suffix, caplog):
    caplog.set_level(logging.ERROR)
    path = tmp_path / f"a.{suffix}"
    write_picture(animation(drawn(alpha=True)), path)
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        try:
            for frame in open_picture(path, max_pixels=10**6).frames():
                frame.array()
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")
            assert "\n" not in str(error)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_an_animation_that_is_cut_short_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_picture(animation(), path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ImageError, match="cut short"):
        frames_of(path)


@pytest.mark.parametrize(
    ("more", "name"),
    [(b"PK a ZIP file", "13 bytes behind the picture"), (b"\0\0\0\x18ftypmp42", "film"), (bytes(9), "")],
)
@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize("is_animated", [False, True])
def test_what_lies_behind_is_named(tmp_path, suffix, more, name, is_animated, caplog):
    path = tmp_path / f"a.{suffix}"
    write_picture(animation() if is_animated else Picture.of(next(drawn())), path)
    expected = frames_of(path)
    path.write_bytes(path.read_bytes() + more)
    write_picture(open_picture(path), tmp_path / f"b.{suffix}")
    for photo, back in zip(expected, frames_of(tmp_path / f"b.{suffix}"), strict=True):
        assert_same(photo, back)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == ([name] if name else [])
