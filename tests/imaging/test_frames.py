"""Several pictures in one file: counted, timed, composited and written again, one at a time."""

import logging
import struct
import tracemalloc
import zlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence, PngImagePlugin

from pellucid.errors import ImageError, RestoreError
from pellucid.imaging import (
    Photo,
    Picture,
    Saving,
    Timing,
    open_picture,
    read_photo,
    read_size,
    write_photo,
    write_picture,
)
from pellucid.imaging.carried import Native, Text
from pellucid.imaging.encode import chunk

RNG = np.random.default_rng(7)
ANIMATED = ["gif", "webp", "png"]
DURATIONS = (50.0, 120.0, 1000.0)


def made(count=3, *, dtype="uint8", alpha=False, colours=200, size=(14, 11)):
    """Frames of few colours, so that a GIF holds them as they are."""
    top = np.iinfo(dtype).max
    palette = RNG.integers(0, top + 1, (colours, 3), dtype)
    for _ in range(count):
        pixels = palette[RNG.integers(0, colours, size)]
        mask = (RNG.random(size) < 0.7).astype(dtype) * top
        yield Photo(pixels=pixels, alpha=mask.astype(dtype) if alpha else None, lossless=True)


def animation(photos=None, durations=DURATIONS, plays=0):
    """A picture whose frames come one after the other."""
    timing = Timing(durations=tuple(durations), plays=plays)
    return Picture(count=len(durations), timing=timing, decode=lambda: photos or made(len(durations)))


def frames_of(path):
    return [Photo.of(frame) for frame in open_picture(path).frames()]


def assert_same(photo, other):
    np.testing.assert_array_equal(photo.pixels, other.pixels)
    assert (photo.alpha is None) == (other.alpha is None)
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, other.alpha)


@pytest.mark.parametrize("plays", [0, 1, 5])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", ANIMATED)
def test_animations_round_trip(tmp_path, suffix, alpha, plays, caplog):
    photos, path = list(made(alpha=alpha)), tmp_path / f"a.{suffix}"
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
    photos, path = list(made()), tmp_path / f"a.{suffix}"
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


def apng_of(parts, size):
    """An animated PNG of (RGBA image, left, top, disposal, blending), as its chunks are written by hand."""
    file = BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"acTL", struct.pack(">II", len(parts), 0))
    sequence = 0
    for index, (image, left, top, disposal, blending) in enumerate(parts):
        control = struct.pack(">IIIIIHHBB", sequence, *image.size, left, top, 1, 25, disposal, blending)
        PngImagePlugin.putchunk(file, b"fcTL", control)
        rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(image))
        data, sequence = zlib.compress(rows), sequence + 1 + bool(index)
        PngImagePlugin.putchunk(
            file, *((b"fdAT", struct.pack(">I", sequence - 1) + data) if index else (b"IDAT", data))
        )
    PngImagePlugin.putchunk(file, b"IEND", b"")
    return file.getvalue()


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
        assert abs(photo.alpha - rgba[:, :, 3]).max() <= 1
        visible = rgba[:, :, 3] > 30
        assert abs(photo.pixels[visible] - rgba[visible][:, :3]).max() <= (4 if blends else 0)


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
    photos, path = list(made(dtype="uint16", alpha=True)), tmp_path / "a.png"
    write_picture(animation(photos), path)
    for photo, back in zip(photos, frames_of(path), strict=True):
        assert back.pixels.dtype == np.uint16
        assert_same(photo, back)


def test_uneven_durations_of_an_animated_png(tmp_path, caplog):
    durations = (1000 / 30, 1000 * 1001 / 60000, 120000.0)
    write_picture(animation(durations=durations), tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").timing.durations == durations
    assert not caplog.records


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


def test_gif_repeats_are_plays_less_one(tmp_path):
    write_picture(animation(plays=3), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 2
    write_picture(animation(plays=1), tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as image:
        assert "loop" not in image.info


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
        photos = [replace(photo, **fields) for photo in made()]
        write_picture(animation(photos), tmp_path / f"a.{suffix}")
        for photo in frames_of(tmp_path / f"a.{suffix}"):
            assert (photo.xmp, photo.icc, photo.text) == (fields["xmp"], fields["icc"], text)
            assert photo.native == fields["native"]
            assert photo.exif == (None if suffix == "gif" else exif.tobytes())
    assert "GIF cannot hold its exif" in caplog.text
    assert len(caplog.records) == 1


def test_an_animation_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photos = list(made())
    write_picture(animation([replace(photo, exif=exif.tobytes()) for photo in photos]), tmp_path / "a.webp")
    picture = open_picture(tmp_path / "a.webp")
    assert picture.path is None
    assert picture.size == (11, 14)
    for photo, back in zip(photos, picture.frames(), strict=True):
        np.testing.assert_array_equal(back.array(), np.rot90(photo.pixels, -1))


def test_more_than_256_colours_are_dithered_and_said_once(tmp_path, caplog):
    path = tmp_path / "a.gif"
    photos = [Photo(pixels=RNG.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(3)]
    write_picture(animation(photos), path)
    assert caplog.text.count("256 colours") == 1
    for photo, back in zip(photos, frames_of(path), strict=True):
        assert abs(photo.pixels.mean() - back.pixels.mean()) < 4


def test_half_transparency_is_lost_in_a_gif_with_a_word(tmp_path, caplog):
    photo = next(made())
    alpha = np.full(photo.pixels.shape[:2], 255, np.uint8)
    alpha[:4], alpha[4:8] = 200, 90
    write_photo(replace(photo, alpha=alpha), tmp_path / "a.gif")
    assert "half transparent" in caplog.text
    np.testing.assert_array_equal(read_photo(tmp_path / "a.gif").alpha, np.where(alpha < 128, 0, 255))


def test_one_picture_is_not_several(tmp_path):
    photo = next(made())
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
        write_picture(Picture.of(*made()), tmp_path / "a.gif")


def test_frames_of_different_depths_are_no_animated_png(tmp_path):
    with pytest.raises(ImageError, match="differ in depth or channels"):
        write_picture(animation([*made(2), *made(1, alpha=True)]), tmp_path / "a.png")


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
        yield next(made())
        raise RestoreError("out of memory")

    with pytest.raises(RestoreError, match=r"^out of memory"):
        write_picture(animation(broken()), path)
    with pytest.raises(ImageError, match="2 of 3 pictures"):
        write_picture(animation(made(2)), path)
    with pytest.raises(ImageError, match="more than 3"):
        write_picture(animation(made(4)), path)
    with pytest.raises(ImageError, match="differ in size"):
        write_picture(animation([*made(2), *made(1, size=(3, 3))]), path)
    with pytest.raises(ImageError, match="exists already"):
        write_picture(animation(), path, overwrite=False)
    assert path.read_bytes() == b"mine"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ANIMATED)
def test_large_frames_are_refused_by_the_header(tmp_path, suffix):
    write_picture(animation(made(size=(100, 100))), tmp_path / f"a.{suffix}")
    assert read_size(tmp_path / f"a.{suffix}") == (100, 100)
    with pytest.raises(ImageError, match=r"100×100, above the limit of 0\.009 megapixels; --max-megapixels"):
        open_picture(tmp_path / f"a.{suffix}", max_pixels=9000)


def test_a_frame_that_outgrows_its_gif(tmp_path):
    """Pillow would make the canvas as large as the frame claims to be."""
    write_picture(animation(), tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    at = data.rindex(b"\x2c\0\0\0\0" + struct.pack("<HH", 11, 14))
    data[at + 5 : at + 9] = struct.pack("<HH", 60000, 60000)
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(ImageError, match="above the limit of 1000 megapixels"):
        open_picture(tmp_path / "a.gif")


@pytest.mark.parametrize("suffix", ANIMATED)
def test_no_damage_escapes(tmp_path, suffix, caplog):
    caplog.set_level(logging.ERROR)
    path = tmp_path / f"a.{suffix}"
    write_picture(animation(made(alpha=True)), path)
    whole, rng = path.read_bytes(), np.random.default_rng(11)
    for trial in range(60):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.integers(1, len(data))]
        else:
            for at in rng.integers(0, len(data), 8):
                data[at] = rng.integers(256)
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


def test_a_gif_without_its_end_marker_is_whole(tmp_path, caplog):
    write_picture(animation(), tmp_path / "a.gif")
    expected = frames_of(tmp_path / "a.gif")
    (tmp_path / "b.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:-1])
    for photo, back in zip(expected, frames_of(tmp_path / "b.gif"), strict=True):
        assert_same(photo, back)
    assert "lacks its end marker" in caplog.text


def test_an_animated_png_of_one_frame_is_one_picture(tmp_path):
    write_photo(next(made()), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    control = struct.pack(">IIIIIHHBB", 0, 11, 14, 0, 0, 1, 10, 0, 0)
    chunks = b"".join((*chunk(b"acTL", struct.pack(">II", 1, 0)), *chunk(b"fcTL", control)))
    (tmp_path / "a.png").write_bytes(data[:33] + chunks + data[33:])
    picture = open_picture(tmp_path / "a.png")
    assert (picture.count, picture.timing) == (1, None)


def test_quality_and_compression_of_animations(tmp_path):
    photos = [replace(photo, lossless=False) for photo in made()]
    for name, saving in (("a", Saving(quality=30)), ("b", Saving(compression="lossless"))):
        write_picture(animation(photos), tmp_path / f"{name}.webp", saving)
    assert (tmp_path / "a.webp").stat().st_size < (tmp_path / "b.webp").stat().st_size
    for photo, back in zip(photos, frames_of(tmp_path / "b.webp"), strict=True):
        assert_same(photo, back)
        assert back.lossless
