"""AVIF: colours told by numbers, bits, what lies beside the picture, and Pillow's decoder as the other reader."""

import logging
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pellucid.imaging import Frame, Photo, Picture, Saving, open_picture, read_photo, write_photo, write_picture
from pellucid.imaging.carried import Cicp, Native
from pellucid.imaging.formats.boxes import Container, with_properties
from pellucid.imaging.turning import turned

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZE = (48, 64)
RAMPS = np.linspace(0.2, 0.8, 48)[:, None, None] * np.linspace(0.4, 1, 64)[:, None] * np.array([0.6, 0.8, 1, 0.9])
NUMBERS = [Cicp(9, 16, 9), Cicp(9, 18, 9), Cicp(12, 13, 6), Cicp(9, 8, 9), Cicp(9, 14, 9), Cicp(1, 8, 6)]


def samples(bits, bands=3):
    top = 255 if bits == 8 else 65535
    return np.rint(RAMPS[:, :, : bands if bands > 2 else None : 3 if bands == 2 else 1][:, :, :bands] * top).astype(
        np.uint8 if bits == 8 else np.uint16
    )


def frame(bits, bands=3, **carried):
    return Frame(samples=samples(bits, bands), bits=bits if bits > 8 else None, **carried)


def rewritten(path, properties):
    """What other programs say of the same picture."""
    path.write_bytes(with_properties(path.read_bytes(), properties))


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("cicp", NUMBERS, ids=str)
@pytest.mark.parametrize("icc", [None, SRGB], ids=["", "icc"])
@pytest.mark.parametrize("compression", [None, "lossless"])
def test_numbers_and_bits_come_back(tmp_path, bits, cicp, icc, compression, caplog):
    path = tmp_path / "a.avif"
    source = frame(bits, cicp=cicp, icc=icc)
    write_picture(Picture.of(source), path, Saving(compression=compression))
    back = open_picture(path).first()
    assert (back.cicp.primaries, back.cicp.transfer) == (cicp.primaries, cicp.transfer)
    assert (back.icc, back.bits, back.dtype, caplog.text) == (icc, source.bits, source.dtype, "")
    step = 65535 if bits > 8 else 255
    worst = 0.5 / (2**bits - 1) + 1e-6 if compression else 0.02
    assert np.abs(back.array() / step - source.samples / step).max() <= worst
    with path.open("rb") as file:
        (numbers,) = [payload for payload in Container(file).shown.values(b"colr") if payload[:4] == b"nclx"]
    assert struct.unpack(">HH", numbers[4:8]) == (cicp.primaries, cicp.transfer)
    # with a matrix by which others decode it as we do
    other = np.asarray(Image.open(path).convert("RGB")) / 255
    assert np.abs(other - source.samples / step).max() < 0.03


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("compression", [None, "lossless"])
def test_grey_and_alpha(tmp_path, bands, compression):
    source = frame(8, bands)
    write_picture(Picture.of(source), tmp_path / "a.avif", Saving(compression=compression))
    back = open_picture(tmp_path / "a.avif").first()
    channels = 1 if bands == 1 else 3  # grey with alpha is stored as colour
    assert (back.channels, back.has_alpha) == (channels, bands in (2, 4))
    expected = source.samples[:, :, [0, 0, 0, 1]] if bands == 2 else source.samples
    assert np.abs(back.array().astype(int) - expected).max() <= (0 if compression else 5)


def test_everything_else_beside_the_pixels(tmp_path, caplog):
    light = Native("AVIF", "content light level", b"clli", struct.pack(">HH", 1000, 400))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x04\0\0\0abc\0\0\0\0\0" + b"note" * 9
    source = frame(10, exif=exif, xmp=b"<x:xmpmeta/>", native=(light,), aspect=(2.0, 3.0), cicp=Cicp(9, 16, 9))
    write_picture(Picture.of(source), tmp_path / "a.avif")
    back = open_picture(tmp_path / "a.avif").first()
    assert back.exif.startswith(exif)
    assert (back.xmp, back.native, back.aspect, back.left_out) == (b"<x:xmpmeta/>", (light,), (2.0, 3.0), ())
    assert caplog.text == ""
    write_picture(open_picture(tmp_path / "a.avif"), tmp_path / "a.png")
    assert "cannot hold its content light level" in caplog.text


@pytest.mark.parametrize(("turn", "stored"), [(1, (64, 48)), (2, (48, 64)), (3, (64, 48))])
@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("bits", [8, 10])
def test_turns_of_the_container(tmp_path, turn, stored, mirror, bits):
    path = tmp_path / "a.avif"
    upright = samples(bits)
    unmirrored = upright if mirror is None else np.flip(upright, mirror)
    pixels = np.ascontiguousarray(np.rot90(unmirrored, -turn))
    assert pixels.shape[:2] == stored
    write_photo(Photo(pixels=pixels, bits=bits if bits > 8 else None), path, quality=97)
    rewritten(path, [(b"irot", bytes((turn,)))] + ([] if mirror is None else [(b"imir", bytes((mirror,)))]))
    picture = open_picture(path)
    assert picture.path is None, "its bytes are not as it is seen"
    assert np.abs(picture.first().array().astype(float) - upright).max() < upright.max() / 32


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("range", ["full", "limited"])
def test_eight_bits_are_decoded_as_finely_as_pillow_does(tmp_path, subsampling, range):
    Image.fromarray(samples(8)).save(tmp_path / "a.avif", quality=95, subsampling=subsampling, range=range)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.avif").pixels, np.asarray(Image.open(tmp_path / "a.avif")))


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_turns_as_pillow_writes_them(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turned(samples(8), {6: 8, 8: 6}.get(orientation, orientation))  # the way back
    Image.fromarray(stored).save(tmp_path / "a.avif", quality=97, exif=exif)
    picture = open_picture(tmp_path / "a.avif")
    assert (picture.path is None) == (orientation != 1)
    assert np.abs(picture.first().array().astype(int) - samples(8)).max() < 8


def test_what_means_nothing_is_not_carried(tmp_path, caplog):
    Image.fromarray(samples(8)).save(tmp_path / "a.avif")  # with the numbers of sRGB
    assert read_photo(tmp_path / "a.avif").cicp is None
    write_picture(open_picture(tmp_path / "a.avif"), tmp_path / "a.bmp")
    assert caplog.text == ""


def test_numbers_that_a_format_cannot_hold_are_named(tmp_path, caplog):
    write_picture(Picture.of(frame(10, cicp=Cicp(9, 16, 9))), tmp_path / "a.avif")
    write_picture(open_picture(tmp_path / "a.avif"), tmp_path / "a.jpg")
    assert "JPEG cannot hold its cicp, 10-bit samples (8 bits are kept)" in caplog.text


def test_a_resolution_is_lost_with_a_word(tmp_path, caplog):
    write_picture(Picture.of(frame(8, dpi=(300.0, 300.0))), tmp_path / "a.avif")
    assert "AVIF cannot hold its dpi" in caplog.text
    assert read_photo(tmp_path / "a.avif").aspect is None


@pytest.mark.parametrize("ending", ["jpg", "webp", "tif"])
def test_display_p3_becomes_a_profile_where_there_are_no_numbers(tmp_path, caplog, ending):
    write_picture(Picture.of(frame(8, cicp=Cicp(12, 13, 6))), tmp_path / f"a.{ending}")
    profile = ImageCms.ImageCmsProfile(BytesIO(read_photo(tmp_path / f"a.{ending}").icc))
    assert profile.profile.red_primary[1][0] == pytest.approx(0.680, abs=0.02)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("pixels", "bits", "said"),
    [
        (np.full((*SIZE, 3), 999, np.uint16), None, "16-bit samples (12 bits are kept)"),
        (np.full((*SIZE, 3), 0.25, np.float32), None, "32-bit float samples (12 bits are kept)"),
        (np.full((*SIZE, 3), 999, np.uint16), 12, None),
        (np.full((*SIZE, 3), 9, np.uint8), None, None),
    ],
)
def test_depth_is_lost_with_a_word(tmp_path, caplog, pixels, bits, said):
    write_photo(Photo(pixels=pixels, bits=bits), tmp_path / "a.avif")
    assert (said in caplog.text) if said else not caplog.text
    assert read_photo(tmp_path / "a.avif").bits == (None if pixels.dtype == np.uint8 else 12)


def test_an_animation_is_named(tmp_path, caplog):
    first, second = (Image.fromarray(np.roll(samples(8), shift, 1)) for shift in (0, 9))
    first.save(tmp_path / "a.avif", save_all=True, append_images=[second], duration=100)
    with caplog.at_level(logging.WARNING):
        write_picture(open_picture(tmp_path / "a.avif"), tmp_path / "b.avif")
    assert "left out: animation" in caplog.text
    assert np.abs(read_photo(tmp_path / "b.avif").pixels.astype(int) - samples(8)).max() < 30
