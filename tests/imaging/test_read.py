"""Reading: depth, orientation, colour, what travels beside the pixels, and every kind of bad file.

More than 300 lines: what ``read_photo`` promises of all formats, and every way in which a file may be bad.
"""

import io
import logging
import struct
import subprocess
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, PngImagePlugin

from pellucid.errors import ImageError
from pellucid.imaging import READABLE_SUFFIXES, Photo, looks_like_picture, open_frames, read_photo, write_photo
from pellucid.imaging import exif as exif_of
from pellucid.imaging import photo as photo_module

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
UNDO = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.fixture
def picture():
    return np.random.default_rng(1).integers(0, 256, (6, 9, 3), np.uint8)


def exif_bytes(orientation, make="Pellucid"):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, make
    exif.get_ifd(0x8769)[0x829A] = 0.004
    exif.get_ifd(0x8769)[0x927C] = b"maker note"
    return exif.tobytes()


def parsed(payload):
    exif = Image.Exif()
    exif.load(payload)
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientation_is_applied_and_reset(tmp_path, picture, orientation, suffix):
    path = tmp_path / f"turned.{suffix}"
    rgba = np.dstack([picture, picture[:, :, 0]])
    Image.fromarray(rgba).save(path, exif=exif_bytes(orientation), lossless=True, exact=True)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, UNDO[orientation](picture))
    np.testing.assert_array_equal(photo.alpha, UNDO[orientation](picture[:, :, 0]))
    exif = parsed(photo.exif)
    assert exif.get(0x0112, 1) == 1
    assert exif[0x010F] == "Pellucid"
    assert exif.get_ifd(0x8769)[0x927C] == b"maker note"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_orientation_of_deep_pictures(tmp_path, picture, orientation, suffix):
    deep = picture.astype(np.uint16) * 257
    path = tmp_path / f"turned.{suffix}"
    write_photo(Photo(pixels=deep, exif=exif_bytes(orientation), dpi=(300, 150)), path)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, UNDO[orientation](deep))
    assert photo.dpi == ((300, 150) if orientation < 5 else (150, 300))


def test_orientation_known_only_to_xmp(tmp_path, picture):
    path = tmp_path / "a.webp"
    Image.fromarray(picture).save(path, xmp=XMP, lossless=True)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, UNDO[6](picture))
    assert photo.xmp == XMP.replace(b'"6"', b'"1"')


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_patched_in_place(order):
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, 6, 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    rest = b"thumbnail and maker notes at fixed offsets"
    payload = b"Exif\0\0" + mark + struct.pack(f"{order}IH", 8, 1) + entry + struct.pack(f"{order}I", 40) + rest
    assert exif_of.orientation(payload) == 6
    upright = exif_of.upright(payload, 6, (9, 6))
    assert len(upright) == len(payload)
    assert upright.endswith(b"\0\0\0\0" + rest)
    assert exif_of.orientation(upright) == 1
    assert dict(parsed(upright)) == {0x0112: 1}


@pytest.mark.parametrize("payload", [b"Exif\0\0", b"Exif\0\0junk that is no TIFF", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged_exif_is_dropped_and_the_picture_read(tmp_path, picture, payload):
    path = tmp_path / "a.jpg"
    Image.fromarray(picture).save(path, exif=payload)
    assert read_photo(path).exif is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_profile_xmp_and_resolution_are_carried(tmp_path, picture, suffix):
    path = tmp_path / f"a.{suffix}"
    xmp = XMP.replace(b'"6"', b'"1"')
    write_photo(Photo(pixels=picture, icc=SRGB, xmp=xmp, dpi=(300.0, 240.0), exif=exif_bytes(1)), path)
    photo = read_photo(path)
    assert photo.icc == SRGB
    assert photo.xmp == xmp
    assert parsed(photo.exif).get_ifd(0x8769)[0x829A] == pytest.approx(0.004)
    assert photo.dpi == (None if suffix == "webp" else (300.0, 240.0))
    assert photo.format == {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP"}[suffix]


def test_exif_behind_the_pixels_of_a_png(tmp_path, picture):
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    payload = exif_bytes(6).removeprefix(b"Exif\0\0")
    chunk = io.BytesIO()
    PngImagePlugin.putchunk(chunk, b"eXIf", payload)
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk.getvalue() + data[-12:])
    np.testing.assert_array_equal(read_photo(path).pixels, UNDO[6](picture))


def test_jpeg_settings(tmp_path, picture):
    path = tmp_path / "a.jpg"
    Image.fromarray(picture).save(path, quality=70, subsampling="4:2:2")
    with Image.open(path) as image:
        tables = image.quantization
    settings = read_photo(path).jpeg
    assert [list(table) for table in settings.tables] == [tables[0], tables[1]]
    assert (settings.subsampling, settings.channels) == (1, 3)


def test_cmyk_through_its_profile(tmp_path):
    cmyk = Image.new("CMYK", (4, 3), (255, 0, 0, 0))
    profile = pyvips.Image.profile_load("cmyk")
    cmyk.save(tmp_path / "with.tif", icc_profile=profile)
    cmyk.save(tmp_path / "without.jpg", quality=100)
    profiled, plain = read_photo(tmp_path / "with.tif"), read_photo(tmp_path / "without.jpg")
    assert profiled.icc[16:20] == plain.icc[16:20] == b"RGB "
    assert plain.jpeg is None
    assert abs(plain.pixels[0, 0].astype(int) - (0, 255, 255)).max() <= 3
    # printed cyan is far from a screen's
    assert abs(profiled.pixels[0, 0].astype(int) - (0, 158, 224)).max() <= 12


def test_unusable_cmyk_profile_is_said_and_survived(tmp_path, caplog):
    Image.new("CMYK", (4, 3), (0, 0, 0, 0)).save(tmp_path / "a.tif", icc_profile=b"no profile")
    assert (read_photo(tmp_path / "a.tif").pixels == 255).all()
    assert "approximate" in caplog.text


def test_deep_tiff_from_another_writer(tmp_path):
    values = np.random.default_rng(2).integers(0, 65536, (5, 7, 3), np.uint16)
    image = pyvips.Image.new_from_memory(values.tobytes(), 7, 5, 3, "ushort").copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", SRGB)
    image.tiffsave(str(tmp_path / "a[1].tif"), compression="lzw", predictor="horizontal", tile=True)
    photo = read_photo(tmp_path / "a[1].tif")
    np.testing.assert_array_equal(photo.pixels, values)
    assert photo.icc == SRGB


def test_big_tiff_with_orientation(tmp_path):
    values = np.random.default_rng(2).integers(0, 65536, (5, 7, 3), np.uint16)
    image = pyvips.Image.new_from_memory(values.tobytes(), 7, 5, 3, "ushort").copy(interpretation="rgb16")
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    image.set_type(pyvips.GValue.gstr_type, "image-description", "rain")
    image.tiffsave(str(tmp_path / "a.tif"), bigtiff=True)
    photo = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(photo.pixels, UNDO[6](values))
    assert parsed(photo.exif)[0x010E] == "rain"


def test_photoshop_layers_are_not_taken_for_exif(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.tif", tiffinfo={34377: b"8BIM" * 9, 0x010F: "Pellucid"})
    assert dict(parsed(read_photo(tmp_path / "a.tif").exif)) == {0x010F: "Pellucid"}


def test_16_bit_pgm(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5\n2 1\n65535\n\x00\x01\xff\xff")
    assert read_photo(tmp_path / "a.pgm").pixels.squeeze().tolist() == [1, 65535]


def test_first_frame(tmp_path, picture):
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    for name in ("a.webp", "a.tif"):
        np.testing.assert_array_equal(read_photo(tmp_path / name).pixels, picture)


def refusal(path):
    """Read a bad file and return its one-line message; neither a warning nor a log may come with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            read_photo(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_missing_folder_empty_and_device(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.png")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.jpg").touch()
    assert "is empty" in refusal(tmp_path / "empty.jpg")
    assert "not an ordinary file" in refusal("/dev/null")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"Dear reader,\nthis is a letter.\n", "looks like text"),
        (b"%PDF-1.7\n\x00", "looks like a PDF"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "looks like a film"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "damaged"),
        (b"\x07\x91\x82\xff" * 50, "is not a picture pellucid can read"),
        (b"II*\0\xff\xff\xff\xff", "damaged"),
        (b"P6\n1 1\n65535\n" + bytes(5), "damaged or cut short"),
    ],
)
def test_what_is_not_a_picture_is_named(tmp_path, content, kind):
    path = tmp_path / "fake.png"
    path.write_bytes(content)
    assert kind in refusal(path)


@pytest.mark.parametrize(
    ("suffix", "deep"),
    [
        ("jpg", False),
        ("png", False),
        ("tif", False),
        ("webp", False),
        ("bmp", False),
        ("png", True),
        ("tif", True),
    ],
)
def test_cut_short(tmp_path, suffix, deep):
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / f"cut.{suffix}"
    write_photo(Photo(pixels=pixels.astype(np.uint16) * 257 if deep else pixels), path)
    data = path.read_bytes()
    for part in (0.5, 0.9):
        path.write_bytes(data[: int(len(data) * part)])
        assert "damaged or cut short" in refusal(path)


def test_no_file_of_random_bytes_escapes(tmp_path):
    rng = np.random.default_rng(4)
    path = tmp_path / "fuzz"
    for suffix in ("jpg", "png", "tif", "webp", "gif", "bmp", "ppm"):
        buffer = io.BytesIO()
        image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        image.save(buffer, Image.registered_extensions()[f".{suffix}"])
        for _ in range(25):
            data = bytearray(buffer.getvalue())
            for at in rng.integers(0, len(data), 6):
                data[at] = rng.integers(256)
            path.write_bytes(data)
            try:
                read_photo(path)
            except ImageError as error:
                assert "\n" not in str(error)


def test_nothing_is_printed_on_a_bad_file(tmp_path):
    path = tmp_path / "cut.tif"
    write_photo(Photo(pixels=np.zeros((64, 64, 3), np.uint16)), path)
    path.write_bytes(path.read_bytes()[:9000])
    code = f"from pellucid.imaging import read_photo\ntry: read_photo({str(path)!r})\nexcept Exception: pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_pixel_bombs_are_refused_from_the_header(tmp_path):
    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 40000, 30000, 8, 2, 0, 0, 0)
    chunks = io.BytesIO()
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        PngImagePlugin.putchunk(chunks, name, data)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks.getvalue())
    assert "1000 megapixels" in refusal(path)


def test_pillows_own_limit_does_not_apply_and_is_left_as_it_was(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for name in ("a.png", "a.tif", "a.jpg"):
        write_photo(Photo(pixels=picture), tmp_path / name)
        assert read_photo(tmp_path / name).pixels.shape == picture.shape
    assert Image.MAX_IMAGE_PIXELS == 10


def test_camera_raw_preview_is_not_taken_for_the_photograph(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.dng", "TIFF", tiffinfo={254: 1})
    assert "camera raw" in refusal(tmp_path / "a.dng")


def test_a_decoder_out_of_memory(tmp_path, picture, monkeypatch):
    write_photo(Photo(pixels=picture), tmp_path / "a.png")

    def exhausted(_image):
        raise MemoryError

    monkeypatch.setattr(photo_module.Photo, "of", exhausted)
    assert "memory" in refusal(tmp_path / "a.png")


def test_reading_in_many_threads(tmp_path, picture, caplog):
    caplog.set_level(logging.WARNING)
    for name in ("a.png", "b.tif", "c.jpg"):
        write_photo(Photo(pixels=picture, exif=exif_bytes(1)), tmp_path / name)
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    jobs = [threading.Thread(target=read_photo, args=(tmp_path / name,)) for name in ("a.png", "b.tif", "c.jpg") * 5]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


def test_names_of_pictures():
    assert looks_like_picture("holiday/IMG_1.JPG")
    assert not looks_like_picture("holiday/.IMG_1.jpg")
    assert not looks_like_picture("notes.txt")
    assert ".tiff" in READABLE_SUFFIXES


def test_further_frames_are_not_dropped_in_silence(tmp_path, caplog):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    read_photo(tmp_path / "film.gif")
    assert "holds 3 frames or pages" in caplog.text


def test_frames_come_into_memory_one_after_the_other(tmp_path):
    pages = [Image.new("L", (5 + page, 4), 40 * page) for page in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    photos = list(open_frames(tmp_path / "pages.tif").photos())
    assert [photo.pixels.shape for photo in photos] == [(4, 5, 1), (4, 6, 1), (4, 7, 1)]
    assert [int(photo.pixels.mean()) for photo in photos] == [0, 40, 80]
