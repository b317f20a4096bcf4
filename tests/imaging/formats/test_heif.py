"""HEIC: colours told by numbers, bits, further pictures, and damage."""

import struct
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_avif import NUMBERS, SRGB, frame, samples

from pellucid.errors import ImageError
from pellucid.imaging import Frame, Picture, Saving, open_picture, read_photo, write_picture
from pellucid.imaging.carried import Cicp
from pellucid.imaging.formats import heif
from pellucid.imaging.formats.boxes import Container

pillow_heif = pytest.importorskip("pillow_heif")


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("cicp", NUMBERS, ids=str)
@pytest.mark.parametrize("icc", [None, SRGB], ids=["", "icc"])
@pytest.mark.parametrize("compression", [None, "lossless"])
def test_numbers_and_bits_come_back(tmp_path, bits, cicp, icc, compression, caplog):
    path = tmp_path / "a.heic"
    source = frame(bits, cicp=cicp, icc=icc)
    write_picture(Picture.of(source), path, Saving(compression=compression))
    back = open_picture(path).first()
    matrix = 0 if compression else cicp.matrix
    assert (back.cicp, back.icc, back.bits) == (Cicp(cicp.primaries, cicp.transfer, matrix), icc, source.bits)
    assert (back.dtype, caplog.text) == (source.dtype, "")
    step = 65535 if bits > 8 else 255
    worst = 0.5 / (2**bits - 1) + 1e-6 if compression else 0.02
    assert np.abs(back.array() / step - source.samples / step).max() <= worst


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10])
def test_grey_stays_grey_and_alpha_too(tmp_path, bits, bands):
    source = frame(bits, bands)
    write_picture(Picture.of(source), tmp_path / "a.heic")
    back = open_picture(tmp_path / "a.heic").first()
    assert back.samples.shape == source.samples.shape
    top = 255 if bits == 8 else 65535
    assert np.abs(back.array() / top - source.samples / top).max() < 0.02


def test_colours_that_alpha_was_multiplied_into(tmp_path):
    straight = samples(8, 4)
    straight[:, :, 3] = np.linspace(60, 255, 64)
    multiplied = straight.copy()
    multiplied[:, :, :3] = np.rint(straight[:, :, :3] * (straight[:, :, 3:] / 255))
    with (tmp_path / "a.heic").open("wb") as file:
        pillow_heif.encode("RGBa", (64, 48), multiplied.tobytes(), file, quality=98, chroma=444)
    assert np.abs(read_photo(tmp_path / "a.heic").interleaved().astype(int) - straight).max() < 12


@pytest.mark.parametrize("cicp", [Cicp(9, 16, 9), Cicp(9, 18, 9)], ids=["pq", "hlg"])
def test_hdr_of_others_is_read_as_it_is(tmp_path, cicp):
    """In video's range, as cameras have it: samples come in the full one, and numbers stay."""
    path = tmp_path / "a.heic"
    with path.open("wb") as file:
        pillow_heif.encode(
            "RGB;16", (64, 48), samples(10).tobytes(), file, quality=98, chroma=444, bit_depth=10, full_range_flag=0,
            color_primaries=cicp.primaries, transfer_characteristics=cicp.transfer, matrix_coefficients=cicp.matrix,
        )  # fmt: skip
    photo = read_photo(path)
    assert (photo.cicp, photo.bits) == (cicp, 10)
    assert np.abs(photo.pixels / 65535 - samples(10) / 65535).max() < 0.01


def test_what_lies_beside_the_picture_is_named(tmp_path, caplog):
    first, second = (Image.fromarray(np.roll(samples(8), shift, 1)) for shift in (0, 9))
    pictures = pillow_heif.from_pillow(first)
    pictures.add_from_pillow(second)
    pictures.save(tmp_path / "a.heic", quality=95)
    write_picture(open_picture(tmp_path / "a.heic"), tmp_path / "b.heic")
    assert "left out: further pictures" in caplog.text
    assert np.abs(read_photo(tmp_path / "b.heic").pixels.astype(int) - samples(8)).max() < 12


def test_a_thumbnail_and_tiles_are_no_further_pictures(tmp_path):
    large = Image.fromarray(samples(8)).resize((640, 480))
    pillow_heif.from_pillow(large).save(tmp_path / "a.heic", thumbnails=[64], tile_size=256)
    picture = open_picture(tmp_path / "a.heic")
    assert (picture.first().left_out, picture.first().samples.shape) == ((), (480, 640, 3))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("urn:com:apple:photo:2020:aux:hdrgainmap", "gain map"),
        ("urn:mpeg:hevc:2015:auxid:2", "depth map"),
        ("urn:com:apple:photo:2018:aux:portraiteffectsmatte", "auxiliary picture (portraiteffectsmatte)"),
        ("urn:mpeg:hevc:2015:auxid:1", None),
    ],
)
def test_auxiliary_pictures_are_named(tmp_path, name, said):
    write_picture(Picture.of(frame(8, 4)), tmp_path / "a.heic")  # whose alpha is one
    found = Container(BytesIO((tmp_path / "a.heic").read_bytes()))
    (item,) = found.about(b"auxl")
    item.properties = [(b"auxC", bytes(4) + name.encode() + b"\0")]
    assert list(heif.left_out(found)) == ([said] if said else [])


@pytest.mark.parametrize(
    ("head", "brands"),
    [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", {b"mif1", b"avif", b"miaf"}),
        (b"\0\0\0\x14ftypisom\0\0\0\0mp42heic", {b"isom", b"mp42"}),
        (b"no box", set()),
    ],
)
def test_brands(head, brands):
    assert heif.brands(head) == brands


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_said_in_one_line(tmp_path, data):
    path = tmp_path / "a.heic"
    written = tmp_path / "whole.heic"
    if not written.exists():
        write_picture(
            Picture.of(Frame(samples=samples(8), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", cicp=Cicp(9, 16))), written
        )
    damaged = bytearray(written.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.integers(300, len(damaged)))])
    try:
        assert read_photo(path).pixels.ndim == 3
    except ImageError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)


def test_pixels_that_are_not_square(tmp_path):
    source = frame(8, aspect=(2.0, 1.0))
    write_picture(Picture.of(source), tmp_path / "a.heic")
    with (tmp_path / "a.heic").open("rb") as file:
        (spacing,) = Container(file).shown.values(b"pasp")
    assert struct.unpack(">II", spacing) == (1, 2), "twice as many across, half as wide"
    assert open_picture(tmp_path / "a.heic").first().aspect == (2.0, 1.0)
