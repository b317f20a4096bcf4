"""What exiftool and ImageMagick find in restored pictures, where they are installed; and odd files by kind."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import open_picture, read_photo, write_photo, write_picture

needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
needs_imagemagick = pytest.mark.skipif(not shutil.which("identify"), reason="ImageMagick is not installed")

# PngSuite and others, in a folder beside the repository or another; without it, the tests above it stand alone
ODD_FILES = Path(os.environ.get("PELLUCID_ODD_FILES", Path(__file__).parents[3] / "shared/data/robustness"))
DESCRIBED = (
    "IFD0:", "IFD1:Thumb", "ExifIFD:", "GPS:", "InteropIFD:", "MakerNotes:", "Canon:", "IPTC:", "XMP", "ICC_Profile:"
)  # fmt: skip
# How samples are stored; a turn that was applied, a thumbnail that was cut
STORED = {
    f"IFD0:{name}"
    for name in [
        "ImageWidth",
        "ImageHeight",
        "BitsPerSample",
        "Compression",
        "PhotometricInterpretation",
        "StripOffsets",
        "SamplesPerPixel",
        "RowsPerStrip",
        "StripByteCounts",
        "PlanarConfiguration",
        "Orientation",
        "ExtraSamples",
        "SampleFormat",
        "SubfileType",
        "Predictor",
        "OldSubfileType",
        "FillOrder",
        "TileWidth",
        "TileLength",
        "TileOffsets",
        "TileByteCounts",
        "PageNumber",
        "ThumbnailOffset",
        "ThumbnailLength",
        "YCbCrSubSampling",
        "YCbCrPositioning",
        "ReferenceBlackWhite",
        "JPEGTables",
    ]
} | {"XMP-tiff:Orientation"}


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, check=True, text=True).stdout


def described(path):
    """All that exiftool finds about the photograph."""
    (found,) = json.loads(run("exiftool", "-json", "-G1", "-a", "-u", "-s", "-struct", path))
    return {key: value for key, value in found.items() if key.startswith(DESCRIBED) and key not in STORED}


def pixels(path):
    """ImageMagick's samples of every frame, turned upright, as 16-bit RGBA."""
    command = ["convert", path, "-auto-orient", "-set", "colorspace", "sRGB", "-depth", "16", "rgba:-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="session")
def described_jpeg(tmp_path_factory):
    """A JPEG as a camera and an archivist leave it."""
    path = tmp_path_factory.mktemp("camera") / "a.jpg"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)).save(path, dpi=(240, 240))
    tags = {
        "EXIF:Make": "Pellucid", "EXIF:Model": "One", "EXIF:ExposureTime": "1/250", "EXIF:FNumber": "2.8",
        "EXIF:DateTimeOriginal": "2024:05:06 07:08:09", "EXIF:UserComment": "Regen in Köln", "EXIF:LensModel": "35mm",
        "EXIF:GPSLatitude": "50.9375", "EXIF:GPSLatitudeRef": "N", "EXIF:Artist": "me", "EXIF:Copyright": "mine",
        "XMP-dc:Title": "Rain & hail", "XMP-dc:Subject": "rain", "XMP-xmp:Rating": "4", "XMP-tiff:Orientation": "6",
        "IPTC:ObjectName": "Rain", "IPTC:Keywords": "rain", "IPTC:City": "Köln", "EXIF:Orientation#": "6",
    }  # fmt: skip
    run("exiftool", "-q", "-overwrite_original", *[f"-{name}={value}" for name, value in tags.items()], path)
    return path


@needs_exiftool
@needs_imagemagick
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "heic"])
def test_a_described_photo_is_described_alike(tmp_path, described_jpeg, suffix):
    """From the JPEG to each format, and from there to itself."""
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    expected = described(described_jpeg)
    assert expected["IPTC:City"] == "Köln"
    photo = read_photo(described_jpeg)
    assert (photo.height, photo.width) == (60, 40)
    write_photo(photo, tmp_path / f"a.{suffix}")
    write_photo(read_photo(tmp_path / f"a.{suffix}"), tmp_path / f"b.{suffix}")
    if suffix in ("webp", "avif", "heic"):
        expected = {key: value for key, value in expected.items() if not key.startswith("IPTC:")}
    for name in ("a", "b"):
        found = described(tmp_path / f"{name}.{suffix}")
        assert found == expected
    if suffix in ("png", "tif"):
        assert pixels(tmp_path / f"a.{suffix}") == pixels(tmp_path / f"b.{suffix}")


@needs_exiftool
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_what_exiftool_writes_is_read(tmp_path, suffix):
    """IPTC and EXIF where exiftool itself puts them."""
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (20, 10), "navy").save(path)
    run("exiftool", "-q", "-overwrite_original", "-IPTC:Keywords=rain", "-EXIF:Make=Pellucid", "-XMP-dc:Title=x", path)
    photo = read_photo(path)
    assert b"rain" in photo.iptc
    assert b"Pellucid" in photo.exif
    write_photo(photo, tmp_path / f"b.{suffix}")
    assert described(tmp_path / f"b.{suffix}") == described(path)


@needs_imagemagick
@pytest.mark.parametrize("options", [[], ["-depth", "16"], ["-colorspace", "Gray"], ["-alpha", "set"]])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm", "webp", "gif"])
def test_lossless_pictures_of_imagemagick_come_back(tmp_path, suffix, options):
    source, target = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    reduced = ["-colors", "200"] if suffix == "gif" else []
    lossless = ["-define", "webp:lossless=true"] if suffix == "webp" else []
    run("convert", "-size", "40x30", "plasma:red-blue", *options, *reduced, *lossless, source)
    write_photo(read_photo(source), target)
    assert pixels(source) == pixels(target)


@needs_imagemagick
@pytest.mark.parametrize("dispose", ["none", "background", "previous"])
def test_animations_of_imagemagick_come_back(tmp_path, dispose):
    source, target = tmp_path / "a.gif", tmp_path / "b.gif"
    frames = []
    for index, delay in enumerate((7, 20, 150)):
        frames += ["(", "-size", "12x9", f"xc:rgb({80 * index},90,200)", "-repage", f"40x30+{9 * index}+{4 * index}"]
        frames += ["-set", "delay", str(delay), "-dispose", dispose, ")"]
    run("convert", "-size", "40x30", "-delay", "5", "xc:none", *frames, "-loop", "3", source)
    opened = open_picture(source)
    assert opened.timing.durations == (50.0, 70.0, 200.0, 1500.0)
    write_picture(opened, target)
    for name in (source, target):
        run("convert", name, "-coalesce", tmp_path / f"{name.stem}-%d.png")
    for index in range(4):
        drawn, kept = (np.asarray(Image.open(tmp_path / f"{stem}-{index}.png").convert("RGBA")) for stem in "ab")
        visible = drawn[:, :, 3] > 0
        np.testing.assert_array_equal(drawn[:, :, 3], kept[:, :, 3])
        np.testing.assert_array_equal(drawn[visible], kept[visible])
    timing = [run("identify", "-format", "%T ", name).split() for name in (source, target)]
    assert timing[0] == timing[1] == ["5", "7", "20", "150"]


@needs_imagemagick
def test_webp_animations_are_read_elsewhere(tmp_path):
    images = [Image.new("RGB", (16, 12), colour) for colour in ("red", "green", "blue")]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[40, 90, 200], loop=0)
    write_picture(open_picture(tmp_path / "a.gif"), tmp_path / "a.webp")
    assert run("identify", "-format", "%T ", tmp_path / "a.webp").split() == ["4", "9", "20"]


def odd_files(pattern):
    found = [path for path in sorted(ODD_FILES.glob(pattern)) if path.suffix.lower() not in ("", ".txt")]
    return [pytest.param(path, id=path.name) for path in found]


def same_again(path, tmp_path, suffix):
    photo = read_photo(path)
    write_photo(photo, tmp_path / f"again{suffix}")
    back = read_photo(tmp_path / f"again{suffix}")
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert back.pixels.dtype == photo.pixels.dtype
    assert (back.alpha is None) == (photo.alpha is None)
    if photo.alpha is not None:
        np.testing.assert_array_equal(back.alpha, photo.alpha)
    assert (back.exif, back.xmp, back.icc) == (photo.exif, photo.xmp, photo.icc)
    return photo


@pytest.mark.parametrize("path", odd_files("pngsuite/[!x]*.png"))
def test_every_kind_of_png(tmp_path, path):
    """Their names tell: kind of colour and depth in the last four letters, ``t`` for transparency."""
    photo = same_again(path, tmp_path, ".png")
    if path.stem == "PngSuite":
        return
    kind, depth = path.stem[-4], int(path.stem[-2:])
    assert photo.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert photo.channels == (1 if kind in "04" else 3)
    if kind == "3" or depth < 8:  # which other decoders leave packed
        return
    stored = pyvips.Image.pngload(str(path))
    samples = stored.numpy().reshape(stored.height, stored.width, stored.bands)
    np.testing.assert_array_equal(photo.interleaved(), samples)


@pytest.mark.parametrize("path", odd_files("pngsuite/x*.png"))
def test_damaged_pngs_are_refused(path):
    with pytest.raises(ImageError) as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", odd_files("exif_orientation/*.jpg"))
def test_photos_turned_every_way(path, tmp_path):
    photo = read_photo(path)
    first = read_photo(path.with_name(f"{path.stem[:-1]}1.jpg"))
    assert photo.pixels.shape == first.pixels.shape
    middle = (slice(200, 240), slice(100, 350))
    assert abs(photo.pixels[middle].astype(int) - first.pixels[middle]).mean() < 40
    write_photo(photo, tmp_path / "a.jpg")
    again = read_photo(tmp_path / "a.jpg")
    assert abs(again.pixels.astype(int) - photo.pixels).mean() < 3
    assert (again.exif, again.iptc) == (photo.exif, photo.iptc)
    assert again.jpeg.subsampling == 0
    assert sum(again.jpeg.tables[0]) <= sum(photo.jpeg.tables[0])


@pytest.mark.parametrize("path", odd_files("heic/*"))
def test_photos_of_phones(path, tmp_path):
    pytest.importorskip("pillow_heif")
    photo = same_again(path, tmp_path, ".png")
    assert photo.exif is not None
    if shutil.which("exiftool"):
        (found,) = json.loads(run("exiftool", "-json", "-n", "-ImageWidth", "-ImageHeight", "-Rotation", path))
        size = (found["ImageHeight"], found["ImageWidth"])
        assert (photo.height, photo.width) == (size[::-1] if found.get("Rotation") in (90, 270) else size)
