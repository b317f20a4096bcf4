"""Several pictures in one file: counted, timed, composited and written again, one at a time."""

import logging
import struct
import zlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence, PngImagePlugin

from pellucid.errors import ImageError, RestoreError
from pellucid.imaging import Photo, check_holds_frames, open_frames, read_photo, write_frames, write_photo
from pellucid.imaging import tiff as tiff_module

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


def like(path, durations=DURATIONS, loop=0):
    """Frames of an animated WebP of this timing."""
    images = [Image.new("RGB", (8, 8), (20 * index, 0, 0)) for index in range(len(durations))]
    timing = {"duration": [int(duration) for duration in durations], "loop": loop}
    images[0].save(path, save_all=True, append_images=images[1:], lossless=True, **timing)
    return open_frames(path)


def assert_same(photo, other):
    np.testing.assert_array_equal(photo.pixels, other.pixels)
    assert (photo.alpha is None) == (other.alpha is None)
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, other.alpha)


@pytest.mark.parametrize("loop", [0, 1, 5])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", ANIMATED)
def test_animations_round_trip(tmp_path, suffix, alpha, loop):
    photos, path = list(made(alpha=alpha)), tmp_path / f"a.{suffix}"
    write_frames(iter(photos), like(tmp_path / "like.webp", loop=loop), path)
    frames = open_frames(path)
    assert (frames.count, frames.kind, frames.loop) == (3, "animation", loop)
    assert frames.durations == DURATIONS
    assert frames.format == {"gif": "GIF", "webp": "WEBP", "png": "PNG"}[suffix]
    for photo, back in zip(photos, frames.photos(), strict=True):
        if suffix == "gif" and alpha:  # which has no colours below its transparency
            assert (photo.alpha == back.alpha).all()
            assert (photo.pixels[photo.alpha > 0] == back.pixels[photo.alpha > 0]).all()
        else:
            assert_same(photo, back)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_pillow_sees_the_same_animation(tmp_path, suffix):
    photos, path = list(made()), tmp_path / f"a.{suffix}"
    write_frames(iter(photos), like(tmp_path / "like.webp"), path)
    with Image.open(path) as image:
        assert image.n_frames == 3
        seen = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    for photo, duration, (frame, told) in zip(photos, DURATIONS, seen, strict=True):
        np.testing.assert_array_equal(np.asarray(frame), photo.pixels)
        assert told == duration


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_disposal_of_gifs_is_done(tmp_path, disposal):
    """Small frames at places of their own, drawn as Pillow's viewer draws them."""
    path = tmp_path / "a.gif"
    images = []
    for index in range(4):
        image = Image.new("RGBA", (16, 12), (0, 0, 0, 0))
        image.paste((60 * index + 20, 200 - 50 * index, 90, 255), (3 * index, index, 3 * index + 5, index + 4))
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:], disposal=disposal, duration=40)
    with Image.open(path) as image:
        expected = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    photos = list(open_frames(path).photos())
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
    frames = open_frames(tmp_path / "a.png")
    assert frames.durations == (40.0,) * 4
    for photo, rgba in zip(frames.photos(), expected, strict=True):
        assert abs(photo.alpha - rgba[:, :, 3]).max() <= 1
        visible = rgba[:, :, 3] > 30
        assert abs(photo.pixels[visible] - rgba[visible][:, :3]).max() <= (4 if blending else 0)


def test_a_default_picture_outside_the_animation_is_left_out(tmp_path):
    path = tmp_path / "a.png"
    images = [Image.new("RGB", (6, 5), colour) for colour in ("red", "green", "blue")]
    images[0].save(path, save_all=True, append_images=images[1:], default_image=True, duration=[30, 60])
    frames = open_frames(path)
    assert frames.durations == (30.0, 60.0)
    assert [tuple(photo.pixels[0, 0]) for photo in frames.photos()] == [(0, 128, 0), (0, 0, 255)]
    assert tuple(read_photo(path).pixels[0, 0]) == (255, 0, 0)


def test_deep_animations_keep_their_depth(tmp_path):
    photos, path = list(made(dtype="uint16", alpha=True)), tmp_path / "a.png"
    write_frames(iter(photos), like(tmp_path / "like.webp"), path)
    for photo, back in zip(photos, open_frames(path).photos(), strict=True):
        assert back.pixels.dtype == np.uint16
        assert_same(photo, back)


def test_uneven_durations_of_an_animated_png(tmp_path):
    durations = (1000 / 30, 1001 / 60, 120000.0)
    frames = replace(like(tmp_path / "like.webp"), durations=durations)
    write_frames(made(), frames, tmp_path / "a.png")
    assert open_frames(tmp_path / "a.png").durations == pytest.approx(durations, rel=1e-3)


def test_gif_repeats_are_plays_less_one(tmp_path):
    write_frames(made(), like(tmp_path / "like.webp", loop=3), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 2
    write_frames(made(), like(tmp_path / "like.webp", loop=1), tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as image:
        assert "loop" not in image.info


def test_metadata_of_an_animation(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Pellucid"
    photos = [replace(photo, exif=exif.tobytes(), xmp=b"<x/>", icc=b"profile!") for photo in made()]
    for suffix in ANIMATED:
        write_frames(iter(photos), like(tmp_path / "like.webp"), tmp_path / f"a.{suffix}")
        for photo in open_frames(tmp_path / f"a.{suffix}").photos():
            assert photo.xmp == b"<x/>"
            assert suffix == "gif" or (photo.exif, photo.icc) == (exif.tobytes(), b"profile!")


def test_more_than_256_colours_are_dithered_and_said_once(tmp_path, caplog):
    path = tmp_path / "a.gif"
    photos = [Photo(pixels=RNG.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(3)]
    write_frames(iter(photos), like(tmp_path / "like.webp"), path)
    assert caplog.text.count("256 colours") == 1
    for photo, back in zip(photos, open_frames(path).photos(), strict=True):
        assert abs(photo.pixels.mean() - back.pixels.mean()) < 4


def pages():
    exif = Image.Exif()
    exif[0x010F] = "Pellucid"
    rng = np.random.default_rng(3)
    yield Photo(pixels=rng.integers(0, 256, (5, 7, 3), np.uint8), exif=exif.tobytes(), dpi=(300.0, 150.0))
    yield Photo(pixels=rng.integers(0, 65536, (9, 4, 1), np.uint16), icc=b"grey profile", iptc=b"\x1c\x02\x05\0\1x")
    yield Photo(pixels=rng.random((3, 3, 3), np.float32), alpha=rng.random((3, 3), np.float32), xmp=b"<x/>")


@pytest.mark.parametrize("big", [False, True])
def test_pages_keep_what_is_theirs(tmp_path, monkeypatch, big):
    if big:
        monkeypatch.setattr(tiff_module, "_CLASSIC_BYTES", 10)
    source, path = tmp_path / "a.tif", tmp_path / "b.tif"
    with source.open("wb") as file:
        tiff_module.write_pages(pages(), file, big=big)
    frames = open_frames(source)
    assert (frames.count, frames.kind, frames.durations, frames.format) == (3, "pages", (), "TIFF")
    write_frames(frames.photos(), frames, path)
    assert path.read_bytes()[2] == (43 if big else 42)
    for photo, back in zip(pages(), open_frames(path).photos(), strict=True):
        assert back.pixels.dtype == photo.pixels.dtype
        assert_same(photo, back)
        for name in ("exif", "icc", "xmp", "iptc", "dpi"):
            assert (getattr(photo, name) is None) == (getattr(back, name) is None), name
        assert (back.icc, back.xmp, back.iptc, back.dpi) == (photo.icc, photo.xmp, photo.iptc, photo.dpi)


def test_previews_and_masks_are_no_pages(tmp_path):
    images = [Image.new("L", (8, 8), value) for value in (1, 2, 3)]
    images[1].encoderinfo = {"tiffinfo": {254: 1}}
    images[2].encoderinfo = {"tiffinfo": {254: 4}}
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:])
    assert open_frames(tmp_path / "a.tif") is None
    assert read_photo(tmp_path / "a.tif").pixels.max() == 1


def test_one_picture_is_not_several(tmp_path):
    photo = next(made())
    for suffix in ("gif", "webp", "png", "tif", "jpg", "bmp", "ppm", "avif"):
        write_photo(photo, tmp_path / f"a.{suffix}")
        assert open_frames(tmp_path / f"a.{suffix}") is None
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "a.mpo", save_all=True, append_images=[image])
    assert open_frames(tmp_path / "a.mpo") is None


def test_targets_that_hold_one_picture_are_refused_beforehand(tmp_path):
    animation = like(tmp_path / "like.webp")
    for name in ("a.gif", "a.webp", "a.png", "a.apng", "a.tif", "a.TIFF"):
        check_holds_frames(name)
    with pytest.raises(ImageError, match=r"a\.jpg: JPEG holds one picture; choose \.webp"):
        check_holds_frames("a.jpg")
    with pytest.raises(ImageError, match=r"no timing"):
        check_holds_frames("a.tif", animation)
    with pytest.raises(ImageError, match=r"choose \.tif"):
        check_holds_frames("a.gif", replace(animation, kind="pages"))
    with pytest.raises(ImageError, match="one picture"):
        write_frames(made(), animation, tmp_path / "a.bmp")


def test_one_frame_at_a_time(tmp_path):
    """The writer asks for a frame only when the one before is done with, but for one to look ahead."""
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

    durations = (40.0,) * 12
    for suffix in ANIMATED:
        write_frames(counted(), like(tmp_path / "like.webp", durations), tmp_path / f"a.{suffix}")
        assert most <= 5  # the first is kept for its metadata
        most = 0


@pytest.mark.parametrize("suffix", ANIMATED)
def test_a_failure_leaves_the_path_as_it_was(tmp_path, suffix):
    frames, path = like(tmp_path / "like.webp"), tmp_path / f"a.{suffix}"
    path.write_bytes(b"mine")

    def broken():
        yield next(made())
        raise RestoreError("out of memory")

    with pytest.raises(RestoreError, match=r"^out of memory"):
        write_frames(broken(), frames, path)
    with pytest.raises(ImageError, match="2 of 3 pictures"):
        write_frames(made(2), frames, path)
    with pytest.raises(ImageError, match="more than 3"):
        write_frames(made(4), frames, path)
    with pytest.raises(ImageError, match="differ in size"):
        write_frames(iter([*made(2), *made(1, size=(3, 3))]), frames, path)
    with pytest.raises(ImageError, match="exists already"):
        write_frames(made(), frames, path, overwrite=False)
    assert path.read_bytes() == b"mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name, "like.webp"]


def test_large_frames_are_refused_by_the_header(tmp_path):
    write_frames(made(size=(100, 100)), like(tmp_path / "like.webp"), tmp_path / "a.png")
    write_frames(made(size=(100, 100)), like(tmp_path / "like.webp"), tmp_path / "a.webp")
    write_frames(made(size=(100, 100)), like(tmp_path / "like.webp"), tmp_path / "a.gif")
    with (tmp_path / "a.tif").open("wb") as file:
        tiff_module.write_pages([*pages(), *made(1, size=(100, 100))], file, big=False)
    for name in ("a.png", "a.webp", "a.gif", "a.tif"):
        with pytest.raises(ImageError, match=r"100×100, above the limit of 0\.009 megapixels; --max-megapixels"):
            open_frames(tmp_path / name, max_pixels=9000)


def test_a_frame_that_outgrows_its_gif(tmp_path):
    """Pillow would make the canvas as large as the frame claims to be."""
    write_frames(made(), like(tmp_path / "like.webp"), tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    at = data.rindex(b"\x2c\0\0\0\0" + struct.pack("<HH", 11, 14))
    data[at + 5 : at + 9] = struct.pack("<HH", 60000, 60000)
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(ImageError, match="above the limit of 1000 megapixels"):
        list(open_frames(tmp_path / "a.gif").photos())


@pytest.mark.parametrize("suffix", [*ANIMATED, "tif"])
def test_no_damage_escapes(tmp_path, suffix, caplog):
    caplog.set_level(logging.ERROR)
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        with path.open("wb") as file:
            tiff_module.write_pages(pages(), file, big=False)
    else:
        write_frames(made(alpha=True), like(tmp_path / "like.webp"), path)
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
            frames = open_frames(path, max_pixels=10**6)
            for _ in frames.photos() if frames else ():
                pass
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")
            assert "\n" not in str(error)


def test_endless_pages_end(tmp_path):
    with (tmp_path / "a.tif").open("wb") as file:
        tiff_module.write_pages(pages(), file, big=False)
        end = file.tell()
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with BytesIO(data) as file:
        last = tiff_module.read_pages(file)[-1].offset
    count = int.from_bytes(data[last : last + 2], "little")
    data[last + 2 + 12 * count : last + 6 + 12 * count] = data[4:8]
    assert len(data) == end
    (tmp_path / "a.tif").write_bytes(data)
    assert open_frames(tmp_path / "a.tif").count == 3


def test_xmp_of_a_still_gif(tmp_path):
    write_photo(replace(next(made()), xmp=b"<x:xmpmeta/>" * 50), tmp_path / "a.gif")
    assert read_photo(tmp_path / "a.gif").xmp == b"<x:xmpmeta/>" * 50


def test_an_animated_png_of_one_frame_is_one_picture(tmp_path):
    write_photo(next(made()), tmp_path / "a.png")
    data, chunk = (tmp_path / "a.png").read_bytes(), BytesIO()
    PngImagePlugin.putchunk(chunk, b"acTL", struct.pack(">II", 1, 0))
    PngImagePlugin.putchunk(chunk, b"fcTL", struct.pack(">IIIIIHHBB", 0, 11, 14, 0, 0, 1, 10, 0, 0))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk.getvalue() + data[33:])
    assert open_frames(tmp_path / "a.png") is None
