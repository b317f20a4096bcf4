"""Writing: depth, what each format can hold, JPEG settings, and never half a file."""

import errno
import os
import stat
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import Photo, check_writable_suffix, read_photo, write_photo
from pellucid.imaging.formats import BY_SUFFIX

RNG = np.random.default_rng(5)


def photo_of(dtype, channels, *, alpha=False, shape=(11, 13)):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    values = (RNG.random((*shape, channels + 1)) * top).astype(dtype)
    return Photo(pixels=values[:, :, :channels], alpha=values[:, :, channels] if alpha else None)


def assert_same(photo, other):
    assert photo.pixels.dtype == other.pixels.dtype
    np.testing.assert_array_equal(photo.pixels, other.pixels)
    assert (photo.alpha is None) == (other.alpha is None)
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, other.alpha)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("png", "uint8"), ("png", "uint16"), ("tif", "uint8"), ("tif", "uint16"), ("tiff", "float32")],
)
def test_lossless_round_trip(tmp_path, suffix, dtype, channels, alpha):
    photo = photo_of(dtype, channels, alpha=alpha)
    write_photo(photo, tmp_path / f"a.{suffix}")
    assert_same(read_photo(tmp_path / f"a.{suffix}"), photo)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["bmp", "ppm", "pgm"])
def test_plain_formats_round_trip(tmp_path, suffix, channels):
    photo = photo_of("uint8", channels)
    write_photo(photo, tmp_path / f"a.{suffix}")
    assert_same(read_photo(tmp_path / f"a.{suffix}"), photo)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dtype=st.sampled_from(["uint8", "uint16", "float32"]), bands=st.integers(1, 4))
def test_any_shape_and_depth_survives(tmp_path, data, dtype, bands):
    height, width = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    elements = st.floats(width=32, allow_nan=False) if dtype == "float32" else None
    values = data.draw(hnp.arrays(dtype, (height, width, bands), elements=elements))
    colours = 1 if bands < 3 else 3
    photo = Photo(pixels=values[:, :, :colours], alpha=values[:, :, -1] if bands > colours else None)
    for suffix in ("tif",) if dtype == "float32" else ("tif", "png"):
        write_photo(photo, tmp_path / f"a.{suffix}")
        assert_same(read_photo(tmp_path / f"a.{suffix}"), photo)


def test_a_tiff_of_many_strips_reads_elsewhere(tmp_path):
    photo = photo_of("uint8", 3, shape=(900, 700))
    write_photo(photo, tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert len(image.tile) > 1
        np.testing.assert_array_equal(np.asarray(image), photo.pixels)


@pytest.mark.parametrize(("suffix", "dtype"), [("jpg", "uint8"), ("bmp", "uint8"), ("png", "uint16")])
def test_depth_is_rounded_and_said(tmp_path, caplog, suffix, dtype):
    pixels = np.full((16, 16, 1), 0.4999, np.float32)
    pixels[0] = 1.5 if suffix != "jpg" else 0.4999
    write_photo(Photo(pixels=pixels, alpha=pixels[:, :, 0]), tmp_path / f"a.{suffix}")
    written = read_photo(tmp_path / f"a.{suffix}")
    top = np.iinfo(dtype).max
    assert written.pixels.dtype == dtype
    assert written.pixels[-1, 0, 0] == round((0.4999 if suffix == "png" else 0.4999**2 + 1 - 0.4999) * top)
    assert suffix == "jpg" or written.pixels[0, 0, 0] == top
    assert f"32-bit float samples ({8 if dtype == 'uint8' else 16} bits are kept)" in caplog.text
    assert ("alpha (it lies over white now)" in caplog.text) == (suffix != "png")


def test_16_to_8_bits_rounds_to_nearest(tmp_path):
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    write_photo(Photo(pixels=every), tmp_path / "a.bmp")
    expected = np.round(every.astype(np.float64) / 257).astype(np.uint8)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.bmp").pixels, expected)


def test_numbers_that_are_not_only_fit_a_float_tiff(tmp_path):
    photo = Photo(pixels=np.full((2, 2, 1), np.nan, np.float32))
    write_photo(photo, tmp_path / "a.tif")
    assert np.isnan(read_photo(tmp_path / "a.tif").pixels).all()
    with pytest.raises(ImageError, match="not finite"):
        write_photo(photo, tmp_path / "a.png")


@pytest.mark.parametrize(("quality", "written"), [(61, 95), (98, 98)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_at_least_as_fine_as_its_source(tmp_path, quality, written, channels):
    source, again, chosen = (tmp_path / name for name in ("source.jpg", "again.jpg", "chosen.jpg"))
    image = Image.fromarray(photo_of("uint8", channels, shape=(40, 40)).pixels.squeeze())
    image.save(source, quality=quality, subsampling="4:2:0")
    photo = read_photo(source)
    write_photo(photo, again)
    image.save(tmp_path / "expected.jpg", quality=written, subsampling="4:4:4")
    assert read_photo(again).jpeg == read_photo(tmp_path / "expected.jpg").jpeg
    write_photo(photo, chosen, quality=90)
    assert read_photo(chosen).jpeg.tables != photo.jpeg.tables
    assert read_photo(chosen).jpeg.subsampling == 0


def test_jpeg_settings_that_do_not_fit(tmp_path):
    colour, grey = photo_of("uint8", 3), photo_of("uint8", 1)
    write_photo(grey, tmp_path / "grey.jpg", quality=50)
    write_photo(replace(colour, jpeg=read_photo(tmp_path / "grey.jpg").jpeg), tmp_path / "colour.jpg")
    write_photo(colour, tmp_path / "default.jpg")
    assert (tmp_path / "colour.jpg").read_bytes() == (tmp_path / "default.jpg").read_bytes()


def test_webp_keeps_alpha(tmp_path):
    photo = Photo(pixels=np.full((16, 16, 3), 90, np.uint8), alpha=np.full((16, 16), 7, np.uint8))
    write_photo(photo, tmp_path / "a.webp")
    back = read_photo(tmp_path / "a.webp")
    assert (back.alpha == 7).all()
    assert abs(back.pixels.astype(int) - 90).max() <= 2


def test_what_a_format_cannot_hold_is_named(tmp_path, caplog):
    photo = replace(photo_of("uint8", 3), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", icc=b"profile", xmp=b"<x/>")
    write_photo(photo, tmp_path / "a.bmp")
    assert "BMP cannot hold its exif, xmp" in caplog.text
    caplog.clear()
    write_photo(replace(photo, exif=photo.exif + bytes(70000)), tmp_path / "a.jpg")
    assert "JPEG cannot hold its exif" in caplog.text
    assert read_photo(tmp_path / "a.jpg").icc == b"profile"


def test_exif_that_a_tiff_cannot_take_does_not_stop_it(tmp_path):
    entry = struct.pack("<HHII", 0x8769, 4, 1, 9999)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    photo = replace(photo_of("uint8", 3), exif=exif)
    write_photo(photo, tmp_path / "a.tif")
    assert_same(read_photo(tmp_path / "a.tif"), photo)


def test_suffix_is_checked_beforehand():
    assert check_writable_suffix("out/A.JPG") == "JPEG"
    with pytest.raises(ImageError, match=r"x\.jpgg: .*Did you mean '\.jpg'\?"):
        check_writable_suffix("x.jpgg")
    with pytest.raises(ImageError, match="no ending"):
        check_writable_suffix("x")


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_range(tmp_path, quality):
    with pytest.raises(ConfigError, match="1 to 100"):
        write_photo(photo_of("uint8", 1), tmp_path / "a.jpg", quality=quality)


def refusal(path, photo=None, **options):
    with pytest.raises(ImageError) as caught:
        write_photo(photo or photo_of("uint8", 3), path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_targets_that_cannot_be(tmp_path):
    assert "does not exist; create it first" in refusal(tmp_path / "none" / "a.png")
    (tmp_path / "file").touch()
    assert "does not exist" in refusal(tmp_path / "file" / "a.png")
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.png")
    (tmp_path / "a.png").write_bytes(b"mine")
    assert "exists already" in refusal(tmp_path / "a.png", overwrite=False)
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert "too long" in refusal(tmp_path / ("a" * 300 + ".png"))
    assert "65535 pixels a side" in refusal(tmp_path / "wide.jpg", photo_of("uint8", 1, shape=(1, 65536)))


def test_read_only_folder(tmp_path, monkeypatch):
    def denied(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "ppm"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_write_leaves_everything_as_it_was(tmp_path, monkeypatch, suffix, error, existing):
    path = tmp_path / f"a.{suffix}"
    if existing:
        path.write_bytes(b"mine")
    format = BY_SUFFIX[path.suffix]

    def fail_late(picture, file, saving):
        format.write(picture, file, saving)
        assert len(list(tmp_path.iterdir())) == 1 + existing
        raise error

    monkeypatch.setitem(BY_SUFFIX, path.suffix, replace(format, write=fail_late))
    if isinstance(error, OSError):
        assert "No space left" in refusal(path)
    else:
        with pytest.raises(KeyboardInterrupt):
            write_photo(photo_of("uint8", 3), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ([path.name] if existing else [])
    assert not existing or path.read_bytes() == b"mine"


def test_an_encoder_that_breaks_in_its_own_way(tmp_path, monkeypatch):
    def broken(*_args, **_options):
        raise ValueError("two\nlines")

    monkeypatch.setattr(pyvips.Image, "jpegsave_target", broken, raising=False)
    assert "cannot be written as JPEG (two lines)" in refusal(tmp_path / "a.jpg")


def test_mode_bits_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_photo(photo_of("uint8", 1), tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


def test_overwriting_is_seen_by_the_next_read(tmp_path):
    first, second = photo_of("uint16", 3), photo_of("uint16", 3)
    for photo in (first, second):
        write_photo(photo, tmp_path / "a.png")
        assert_same(read_photo(tmp_path / "a.png"), photo)
        write_photo(photo, tmp_path / "a.tif")
        assert_same(read_photo(tmp_path / "a.tif"), photo)
