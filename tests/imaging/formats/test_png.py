"""PNG: every chunk that describes a photograph, wherever it lies, and the rows are the whole's."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pellucid.imaging import Carried, Frame, Picture, open_picture, read_photo, write_picture
from pellucid.imaging.carried import Cicp, Text
from pellucid.imaging.encode import chunk

RNG = np.random.default_rng(8)
NOISE = RNG.integers(0, 256, (90, 70, 4), np.uint8)


def png(*before: tuple[bytes, bytes], behind: tuple[tuple[bytes, bytes], ...] = (), image=None) -> bytes:
    """A file with further chunks before its pixels, and behind them."""
    buffer = io.BytesIO()
    (image or Image.fromarray(NOISE)).save(buffer, "PNG")
    data = buffer.getvalue()
    join = lambda chunks: b"".join(b"".join(chunk(*each)) for each in chunks)  # noqa: E731
    return data[:33] + join(before) + data[33:-12] + join(behind) + data[-12:]


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append((name, data[at + 8 : at + 8 + size]))
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(name + found[-1][1]),)
        at += 12 + size
    return found


DESCRIBED = (
    (b"cICP", bytes((9, 16, 0, 1))),
    (b"gAMA", struct.pack(">I", 100000)),
    (b"cHRM", struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)),
    (b"tIME", struct.pack(">HBBBBB", 1999, 1, 2, 3, 4, 5)),
    (b"pHYs", struct.pack(">IIB", 11811, 5906, 1)),
    (b"tEXt", b"Copyright\0\xa9 X"),
    (b"iTXt", "Title\0\0\0de\0Titel\0Großmutter 1931".encode()),
    (b"iTXt", "parameters\0\0\0\0\0祖母, Steps: 20".encode()),
    (b"prVt", b"of some program"),
    (b"mDCV", struct.pack(">8H2I", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 10_000_000, 1)),
    (b"cLLI", struct.pack(">2I", 10_000_000, 4_000_000)),
)


@pytest.mark.parametrize("place", ["before", "behind"])
def test_every_chunk_is_carried(tmp_path, place, caplog):
    data = png(*DESCRIBED) if place == "before" else png(behind=DESCRIBED)
    (tmp_path / "in.png").write_bytes(data)
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.png")
    assert set(DESCRIBED) <= set(chunks_of((tmp_path / "out.png").read_bytes()))
    assert not caplog.records
    photo = read_photo(tmp_path / "out.png")
    np.testing.assert_array_equal(np.dstack([photo.pixels, photo.alpha]), NOISE)
    assert photo.cicp == Cicp(9, 16, 0)
    assert photo.text[1] == Text("Title", "Großmutter 1931", "de", "Titel")
    assert photo.dpi == (300.0, 150.0)


def test_all_of_it_is_named_where_it_cannot_be_held(tmp_path, caplog):
    (tmp_path / "in.png").write_bytes(png(*DESCRIBED, (b"sRGB", b"\0")))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.bmp")
    named = "alpha (it lies over white now), cicp, text (Copyright, Title, parameters), gamma, primaries, "
    assert f"BMP cannot hold its {named}modification time, prVt chunk, mastering display, light levels" in caplog.text
    assert "sRGB" not in caplog.text


def test_chunks_that_depend_on_the_pixels_are_left_out_by_name(tmp_path, caplog):
    before = ((b"caBX", b"of C2PA"), (b"prVT", b"of some program"), (b"sBIT", bytes((5, 6, 5, 8))))
    (tmp_path / "in.png").write_bytes(png(*before))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.png")
    assert caplog.text.rstrip().endswith("is left out: content credentials, prVT chunk")
    assert not {b"caBX", b"prVT"} & {name for name, _ in chunks_of((tmp_path / "out.png").read_bytes())}


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_significant_bits_and_background_stay_where_the_depth_does(tmp_path, caplog, mode):
    image = Image.fromarray(NOISE).convert(mode)
    background = struct.pack(">3H", 1, 2, 3)[: 2 if mode == "L" else 6]
    told = ((b"sBIT", bytes((5, 6, 5, 8)[: len(mode)])), (b"bKGD", background))
    (tmp_path / "in.png").write_bytes(png(*told, image=image))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.png")
    assert not caplog.records
    assert set(told) <= set(chunks_of((tmp_path / "out.png").read_bytes()))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.tif")
    assert "TIFF cannot hold its significant bits, background colour" in caplog.text


def test_what_belongs_to_a_palette_is_left_out_by_name(tmp_path, caplog):
    image = Image.fromarray(NOISE[:, :, :3]).quantize(16)
    told = ((b"bKGD", b"\3"), (b"hIST", bytes(32)), (b"sPLT", b"some\0\x08"))
    (tmp_path / "in.png").write_bytes(png(behind=told, image=image))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.png")
    assert "is left out: background colour, palette's histogram, suggested palette" in caplog.text
    assert not {b"bKGD", b"hIST", b"sPLT"} & {name for name, _ in chunks_of((tmp_path / "out.png").read_bytes())}


def test_significant_bits_of_transparency_that_was_a_chunk(tmp_path):
    image = Image.fromarray(NOISE[:, :, 0])
    (tmp_path / "in.png").write_bytes(png((b"sBIT", b"\4"), (b"tRNS", b"\0\7"), image=image))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.png")
    assert (b"sBIT", b"\4\x08") in chunks_of((tmp_path / "out.png").read_bytes())


def test_gamma_like_srgb_is_no_loss(tmp_path, caplog):
    image = Image.fromarray(NOISE[:, :, :3])
    (tmp_path / "in.png").write_bytes(png((b"gAMA", struct.pack(">I", 45455)), image=image))
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.jpg")
    assert not caplog.records


@pytest.mark.parametrize("kind", ["exif", "APP1", "icc", "iptc", "xmp"])
def test_profiles_stored_as_text(tmp_path, kind):
    exif, xmp = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", b"<x:xmpmeta/>"
    data = {"exif": exif, "APP1": b"http://ns.adobe.com/xap/1.0/\0" + xmp, "xmp": xmp}.get(kind, b"any bytes")
    text = f"\n{kind}\n{len(data):8d}\n{data.hex()}\n".encode()
    (tmp_path / "a.png").write_bytes(png((b"zTXt", f"Raw profile type {kind}\0\0".encode() + zlib.compress(text))))
    photo = read_photo(tmp_path / "a.png")
    field = {"APP1": "xmp"}.get(kind, kind)
    assert getattr(photo, field) == (xmp if field == "xmp" else data)
    assert photo.text == ()


def test_no_unit_is_an_aspect_ratio(tmp_path):
    told = (b"pHYs", struct.pack(">IIB", 2, 1, 0))
    (tmp_path / "in.png").write_bytes(png(told))
    picture = open_picture(tmp_path / "in.png")
    assert (picture.first().dpi, picture.first().aspect) == (None, (2, 1))
    write_picture(picture, tmp_path / "out.png")
    assert told in chunks_of((tmp_path / "out.png").read_bytes())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_rows_are_the_whole(tmp_path, dtype, bands):
    samples = RNG.integers(0, np.iinfo(dtype).max, (300, 40, bands), dtype, endpoint=True)
    write_picture(Picture.of(Frame(samples=samples)), tmp_path / "a.png")
    read = open_picture(tmp_path / "a.png").first().samples
    assert (read.shape, read.dtype) == (samples.shape, samples.dtype)
    for place in (slice(0, 10), slice(5, 290), slice(280, 300), slice(3, 7)):
        np.testing.assert_array_equal(read[place, 4:20], samples[place, 4:20])


@pytest.mark.parametrize("damaged", [(b"iCCP", b"x"), (b"cICP", b""), (b"iTXt", b"a\0\1"), (b"zTXt", b"a\0\0junk")])
def test_damaged_chunks_cost_no_picture(tmp_path, damaged):
    (tmp_path / "a.png").write_bytes(png(behind=(damaged,)))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, NOISE[:, :, :3])


def test_a_few_bytes_do_not_unpack_to_gigabytes(tmp_path):
    bomb = zlib.compress(bytes(2**28), 9)
    (tmp_path / "a.png").write_bytes(png((b"zTXt", b"a\0\0" + bomb)))
    assert len(read_photo(tmp_path / "a.png").text[0].value) <= 2**26


def test_everything_carried_has_a_name():
    carried = Carried(exif=b"e", icc=b"i", cicp=Cicp(9, 16), xmp=b"x", iptc=b"i", text=(Text("a", "b"),), dpi=(1, 1))
    assert list(carried.names()) == ["exif", "icc", "cicp", "xmp", "iptc", "text", "dpi"]


def test_remarks_that_are_no_utf_8_become_latin_1(tmp_path):
    remark = Text("Comment", b"J\xf6rg".decode(errors="surrogateescape"))
    write_picture(Picture.of(Frame(samples=NOISE, text=(remark,))), tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").text == (Text("Comment", "Jörg"),)
    assert Image.open(tmp_path / "a.png").text == {"Comment": "Jörg"}
