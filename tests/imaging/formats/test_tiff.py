"""TIFF: every kind of samples read rightly and by rows, every tag carried or named, and read by others once written.

More than 300 lines: no other format has so many kinds of samples, tags and arrangements.
"""

import shutil
import struct
import subprocess
import tracemalloc
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms

from pellucid.errors import ImageError
from pellucid.imaging import Frame, Photo, Picture, Saving, open_picture, read_photo, write_photo, write_picture
from pellucid.imaging.formats import tiff_write

from conftest import damaged

RNG = np.random.default_rng(12)
TEXT = {270: "Großmutter 祖母", 315: "Jörg Müller", 33432: "© 2024 Jörg"}
IPTC = b"\x1c\x02\x19\0\x04rain"


def noise(dtype, bands, shape=(37, 53)):
    values = RNG.random((*shape, bands))
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return (values * np.iinfo(dtype).max).round().astype(dtype)


def tiff(path, values, photometric="rgb", **options):
    tifffile.imwrite(path, values.squeeze(), photometric=photometric, metadata=None, **options)
    return path


def samples(path):
    photo = read_photo(path)
    return photo.interleaved()


def alpha_of(values, kind="unassalpha"):
    return {"extrasamples": [kind], "planarconfig": "contig"} if values.shape[2] in (2, 4) else {}


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"byteorder": ">"}, {"compression": "deflate"}])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float16"])
def test_samples_are_what_was_stored(tmp_path, dtype, bands, options):
    values = noise(dtype, bands)
    path = tiff(tmp_path / "a.tif", values, "rgb" if bands > 2 else "minisblack", **alpha_of(values), **options)
    read = open_picture(path).first().samples
    expected = values.astype(np.float32) if values.dtype.kind == "f" else values
    assert read.dtype == expected.dtype
    for rows in (slice(0, 10), slice(5, 37), slice(3, 7)):
        np.testing.assert_array_equal(read[rows], expected[rows])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey(tmp_path, bits):
    levels = RNG.integers(0, 2**bits, (6, 16))
    rows = [int("".join(f"{level:0{bits}b}" for level in row), 2).to_bytes(2 * bits, "big") for row in levels]
    data, entries = b"".join(rows), {256: 16, 257: 6, 258: bits, 259: 1, 262: 1, 273: 200, 277: 1, 278: 6}
    entries[279] = len(data)
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(4)
    (tmp_path / "a.tif").write_bytes(head.ljust(200, b"\0") + data)
    np.testing.assert_array_equal(samples(tmp_path / "a.tif")[..., 0], levels * 255 // (2**bits - 1))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_zero_for_white(tmp_path, dtype):
    values = noise(dtype, 1)
    read = samples(tiff(tmp_path / "a.tif", values, "miniswhite"))
    np.testing.assert_array_equal(read, np.iinfo(dtype).max - values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [2, 4])
def test_premultiplied_alpha(tmp_path, dtype, bands):
    values = noise(dtype, bands)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    values[:3, :, -1] = 0
    colours, alpha = values[..., :-1].astype(float), values[..., -1:].astype(float)
    stored = np.concatenate([colours * alpha / top, alpha], -1)
    stored = (stored if top == 1 else stored.round()).astype(dtype)
    photometric = "rgb" if bands == 4 else "minisblack"
    path = tiff(tmp_path / "a.tif", stored, photometric, **alpha_of(values, "assocalpha"))
    read = samples(path)
    np.testing.assert_array_equal(read[..., -1], values[..., -1])
    true = stored[..., :-1].astype(float) * top / np.maximum(alpha, 1e-9)
    expected = np.where(alpha > 0, true if top == 1 else true.round().clip(0, top), 0)
    np.testing.assert_allclose(read[..., :-1], expected, atol=1e-6 if top == 1 else 0, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("alpha", [None, "unassalpha", "assocalpha"])
def test_cmyk(tmp_path, dtype, alpha):
    top = np.iinfo(dtype).max
    rgb, opaque = noise(dtype, 3), noise(dtype, 1) // 2 + top // 2
    inks = np.concatenate([top - rgb, np.zeros_like(opaque)], -1)
    if alpha == "assocalpha":
        inks = (inks.astype(float) * opaque / top).round().astype(dtype)
    stored = inks if alpha is None else np.concatenate([inks, opaque], -1)
    photo = read_photo(tiff(tmp_path / "a.tif", stored, "separated", extrasamples=[alpha] if alpha else []))
    # what was multiplied with half of alpha has half of its steps
    np.testing.assert_allclose(photo.pixels.astype(int), rgb, atol=1 if alpha == "assocalpha" else 0)
    assert (photo.alpha is None) == (alpha is None)
    assert alpha is None or (photo.alpha == opaque[..., 0]).all()
    assert photo.icc[16:20] == b"RGB "


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("alpha", [False, True])
def test_lab(tmp_path, dtype, alpha):
    """L 50, a 20, b -30, which is rgb(133, 108, 170) by Adobe's rule that white is D50."""
    top, unit = np.iinfo(dtype).max, (np.iinfo(dtype).max + 1) // 256
    stored = np.empty((20, 30, 4), dtype)
    stored[...] = round(top / 2), 20 * unit, top + 1 - 30 * unit, top - 5
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    photo = read_photo(tiff(tmp_path / "a.tif", stored if alpha else stored[..., :3], "cielab", **extra))
    np.testing.assert_allclose(photo.pixels / (top / 255), np.broadcast_to((133, 108.2, 170.6), (20, 30, 3)), atol=1)
    assert photo.pixels.dtype == dtype
    assert (photo.alpha == top - 5).all() if alpha else photo.alpha is None


def test_ycbcr_that_is_no_jpeg(tmp_path):
    rgb = np.asarray(Image.fromarray(noise("uint8", 3, (5, 6))).resize((53, 37), Image.Resampling.BICUBIC))
    stored = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    weights = [(529, 5, 3, (299, 1000, 587, 1000, 114, 1000), True)]
    read = samples(tiff(tmp_path / "a.tif", stored, "ycbcr", compression="deflate", extratags=weights))
    assert abs(read.astype(int) - np.asarray(Image.fromarray(stored, "YCbCr").convert("RGB"))).max() <= 1


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("shared", [(2, 2), (2, 1), (4, 1)])
def test_ycbcr_with_fewer_colours_than_pixels(tmp_path, shared, compression):
    """37 by 53 pixels in strips of 16 rows, all of one colour but for their light."""
    across, down = shared
    light = noise("uint8", 1)[..., 0] // 2 + 60
    padded = np.pad(light, ((0, -37 % 16), (0, -53 % across)), mode="edge")
    strips = []
    for top in range(0, 37, 16):
        strip = padded[top : top + min(16, -(-(37 - top) // down) * down)]
        blocks = strip.reshape(len(strip) // down, down, -1, across).swapaxes(1, 2).reshape(len(strip) // down, -1)
        units = blocks.reshape(len(blocks), -1, across * down)
        told = np.concatenate([units, np.full((*units.shape[:2], 2), (90, 150), np.uint8)], -1)
        strips.append(tiff_write.pack(told.tobytes(), compression))
    tags = {256: (4, 53), 257: (4, 37), 258: (3, 8), 259: (3, compression), 262: (3, 6), 277: (3, 3), 278: (4, 16)}
    data = tmp_path / "a.tif"
    places = np.cumsum([300, *map(len, strips)]).tolist()
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in tags.items()]
    entries[2] = struct.pack("<HHII", 258, 3, 3, 280)
    entries.insert(5, struct.pack("<HHII", 273, 4, 3, 250))
    entries.append(struct.pack("<HHII", 279, 4, 3, 262))
    entries.append(struct.pack("<HHIHH", 530, 3, 2, across, down))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    numbers = struct.pack("<6I6x3H", *places[:3], *map(len, strips), 8, 8, 8)
    data.write_bytes((head.ljust(250, b"\0") + numbers).ljust(300, b"\0") + b"".join(strips))
    ycbcr = np.dstack([light, np.full_like(light, 90), np.full_like(light, 150)])
    expected = np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB"))
    assert abs(samples(data).astype(int) - expected).max() <= 2


def test_palette(tmp_path):
    colours = RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257
    values = noise("uint8", 1)
    read = samples(tiff(tmp_path / "a.tif", values, "palette", colormap=colours))
    np.testing.assert_array_equal(read, (colours[:, values[..., 0]] // 257).transpose(1, 2, 0))


def test_extra_samples_are_left_out_by_name(tmp_path, caplog):
    values = noise("uint8", 5)
    path = tiff(tmp_path / "a.tif", values, extrasamples=["unspecified", "unassalpha"])
    picture = open_picture(path)
    np.testing.assert_array_equal(picture.first().array(), values[..., [0, 1, 2, 4]])
    write_picture(picture, tmp_path / "b.tif")
    assert "left out: extra samples" in caplog.text
    values = noise("uint8", 4)
    read = samples(tiff(path, values, extrasamples=["unspecified"]))
    np.testing.assert_array_equal(read, values[..., :3])


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32"])
def test_whole_numbers_that_fit(tmp_path, dtype):
    values = RNG.integers(0, 100, (8, 9, 1)).astype(dtype)
    read = samples(tiff(tmp_path / "a.tif", values, "minisblack"))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, values)
    values[0, 0] = -1 if dtype.startswith("i") else 70000
    with pytest.raises(ImageError, match="16 bits cannot"):
        read_photo(tiff(tmp_path / "a.tif", values, "minisblack"))


@pytest.mark.parametrize(
    ("values", "photometric", "options", "message"),
    [
        (np.zeros((4, 4, 3), np.uint16), 9, {}, "photometric 9"),
        (np.zeros((4, 4, 1), np.float64), "minisblack", {}, "64 bits a sample"),
        (np.zeros((4, 4, 1), np.complex64), "minisblack", {}, "64 bits a sample"),
        (np.zeros((4, 4, 1), np.float32), "miniswhite", {}, "zero for white"),
        (np.zeros((4, 4, 4), np.float32), "separated", {}, "odd numbers"),
        (np.zeros((4, 4, 1), np.uint16), "palette", {"colormap": np.zeros((3, 65536), np.uint16)}, "palette"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path, values, photometric, options, message):
    path = tiff(tmp_path / "a.tif", values, photometric, **options)
    with pytest.raises(ImageError, match=message) as caught:
        open_picture(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (6, "JPEG of the old style"),
        (34712, "JPEG 2000"),
        (33003, "JPEG 2000"),
        (50002, "JPEG XL"),
        (34887, "LERC"),
        (34933, "PNG"),
        (65000, "65000"),
    ],
)
def test_what_no_decoder_has_is_named_and_not_called_damaged(tmp_path, number, name, capfd):
    path = tiff(tmp_path / "a.tif", noise("uint8", 3))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<HHIH", 259, 3, 1, 1), struct.pack("<HHIH", 259, 3, 1, number)))
    with pytest.raises(ImageError, match=f"compressed with .*{name}") as caught:
        open_picture(path)
    assert "damaged" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "zstd"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_compressions_lose_nothing(tmp_path, dtype, bands, compression):
    values = noise(dtype, bands, (300, 1000))
    path = tmp_path / "a.tif"
    write_picture(Picture.of(Frame(samples=values)), path, Saving(compression=compression))
    np.testing.assert_array_equal(samples(path), values)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.compression == {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}[compression]
        assert page.rowsperstrip < 300
    if dtype == "uint8":
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image).reshape(values.shape), values)
    if compression == "none":
        np.testing.assert_array_equal(tifffile.imread(path).reshape(values.shape), values)


def test_smooth_pictures_become_smaller(tmp_path):
    values = np.add.outer(np.arange(300) * 7, np.arange(400) * 11).astype(np.uint16)[..., None]
    sizes = []
    for compression in ("none", "lzw", "deflate", "zstd"):
        write_picture(Picture.of(Frame(samples=values)), tmp_path / "a.tif", Saving(compression=compression))
        sizes.append((tmp_path / "a.tif").stat().st_size)
    assert max(sizes[1:]) < sizes[0] / 5


def with_text(path, kind=2):
    tags = [(tag, 1, len(text.encode()) + 1, text.encode() + b"\0", True) for tag, text in TEXT.items()]
    tiff(path, noise("uint8", 3), extratags=tags)
    data = path.read_bytes()
    for tag, text in TEXT.items():  # tifffile writes ASCII only
        old = struct.pack("<HHI", tag, 1, len(text.encode()) + 1)
        data = data.replace(old, struct.pack("<HHI", tag, kind, len(text.encode()) + 1))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", ["tif", "jpg", "png"])
def test_words_keep_their_letters(tmp_path, suffix):
    photo = read_photo(with_text(tmp_path / "in.tif"))
    write_photo(photo, tmp_path / f"a.{suffix}")
    write_photo(read_photo(tmp_path / f"a.{suffix}"), tmp_path / "b.tif")
    for path in (tmp_path / f"a.{suffix}", tmp_path / "b.tif"):
        data = path.read_bytes()
        assert all(text.encode() in data for text in TEXT.values())
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert {tag: file.pages[0].tags[tag].value for tag in TEXT} == TEXT


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("unit", [1, 2, 3])
@pytest.mark.parametrize("resolution", [(300, 300), (118.11, 59.055), (1, 2)])
def test_resolution_and_its_unit(tmp_path, dtype, unit, resolution):
    path = tiff(tmp_path / "a.tif", noise(dtype, 3), resolution=resolution, resolutionunit=unit)
    photo = read_photo(path)
    factor = {1: 0, 2: 1, 3: 2.54}[unit]
    assert photo.dpi == (pytest.approx([r * factor for r in resolution]) if factor else None)
    assert photo.aspect == (resolution if unit == 1 and resolution[0] != resolution[1] else None)
    write_photo(photo, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        across, down = (tags[tag].value[0] / tags[tag].value[1] for tag in (282, 283))
        assert (across, down) == pytest.approx(resolution, rel=1e-7)
        assert tags[296].value == unit


def test_no_resolution_is_made_up(tmp_path):
    write_photo(Photo(pixels=noise("uint8", 3)), tmp_path / "a.tif")
    photo = read_photo(tmp_path / "a.tif")
    assert (photo.dpi, photo.aspect, photo.native) == (None, None, ())


@pytest.mark.parametrize(
    ("dtype", "tag", "value", "white"),
    [
        ("uint16", 281, 4095, 4095),
        ("uint16", 281, 1023, 1023),
        ("uint16", 281, 65535, None),
        ("uint8", 281, 63, 63),
        ("float32", 341, 255.0, 255.0),
        ("float32", 341, 1.0, None),
    ],
)
def test_white_is_told(tmp_path, dtype, tag, value, white, caplog):
    tags = [(tag, 11 if dtype == "float32" else 3, 3, (value,) * 3, True)]
    path = tiff(tmp_path / "a.tif", noise(dtype, 3), extratags=tags)
    photo = read_photo(path)
    assert photo.white == white
    write_photo(photo, tmp_path / "b.tif")
    assert not caplog.records
    assert read_photo(tmp_path / "b.tif").white == white
    write_photo(photo, tmp_path / "b.png")
    assert ("white point" in caplog.text) == (white is not None)


@pytest.mark.parametrize("text", ["-9999", "0", "nan", "-3.4028234663852886e+38"])
def test_no_data_is_told(tmp_path, text, caplog):
    path = tiff(tmp_path / "a.tif", noise("float32", 1), "minisblack", extratags=[(42113, 2, 0, text, True)])
    photo = read_photo(path)
    np.testing.assert_equal(photo.no_data, float(text))
    write_photo(photo, tmp_path / "b.tif")
    np.testing.assert_equal(read_photo(tmp_path / "b.tif").no_data, float(text))
    write_photo(photo, tmp_path / "b.png")
    assert "no-data value" in caplog.text


GEO = [
    (33550, 12, 3, (10.0, 10.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 500000.0, 4600000.0, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (34737, 2, 0, "WGS 84|", True),
]
PRIVATE = [(65001, 12, 2, (1.5, -2.5), True), (65002, 7, 5, b"\0\1\2\3\4", True), (65003, 9, 1, -7, True)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_of_others_are_carried_and_named(tmp_path, caplog, order):
    path = tiff(tmp_path / "a.tif", noise("uint8", 3), extratags=GEO + PRIVATE, byteorder=order)
    write_picture(open_picture(path), tmp_path / "b.tif")
    assert not caplog.records
    with tifffile.TiffFile(path) as source, tifffile.TiffFile(tmp_path / "b.tif") as result:
        for tag, *_ in GEO + PRIVATE:
            assert result.pages[0].tags[tag].value == source.pages[0].tags[tag].value
    write_picture(open_picture(path), tmp_path / "b.jpg")
    assert "JPEG cannot hold its GeoTIFF tags, tag 65001, tag 65002, tag 65003" in caplog.text


def test_what_tells_places_does_not_outlive_a_turn(tmp_path, caplog):
    path = tiff(tmp_path / "a.tif", noise("uint8", 3), extratags=[*GEO, (274, 3, 1, 6, True)])
    write_picture(open_picture(path), tmp_path / "b.tif")
    assert "left out: GeoTIFF tags" in caplog.text


def test_photoshop_and_others_may_call_iptc_numbers(tmp_path):
    padded = IPTC + bytes(-len(IPTC) % 4)
    for order in "<>":
        numbers = struct.unpack(f"{order}{len(padded) // 4}I", padded)
        tags = [(33723, 4, len(numbers), numbers, True)]
        path = tiff(tmp_path / "a.tif", noise("uint8", 3), extratags=tags, byteorder=order)
        assert read_photo(path).iptc == padded


def test_a_claimed_length_takes_no_memory(tmp_path):
    path = tiff(tmp_path / "a.tif", noise("uint8", 3), extratags=[(33723, 7, len(IPTC), IPTC, True)])
    data = path.read_bytes()
    count = data.index(struct.pack("<HH", 33723, 7)) + 4
    path.write_bytes(data[:count] + struct.pack("<I", 2**31) + data[count + 4 :])
    tracemalloc.start()
    with suppress(ImageError):
        read_photo(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_photoshop_resources(tmp_path, caplog):
    resource = lambda number, data: struct.pack(">4sH2xI", b"8BIM", number, len(data)) + data  # noqa: E731
    block = resource(0x0404, IPTC) + resource(0x040C, b"thumbnail!") + resource(2000, b"a path")
    layers = b"Adobe Photoshop Document Data Block\0" + b"8BIM" * 99
    tags = [(34377, 7, len(block), block, True), (37724, 7, len(layers), layers, True)]
    write_picture(open_picture(tiff(tmp_path / "a.tif", noise("uint8", 3), extratags=tags)), tmp_path / "b.tif")
    assert "left out: layers" in caplog.text
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags[34377].value == resource(2000, b"a path")
        assert file.pages[0].tags[33723].value == IPTC


def test_srgb_is_told_where_colours_became_it(tmp_path):
    exif = Image.Exif()
    exif[271] = "Pellucid"
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    Image.new("CMYK", (9, 9)).save(
        tmp_path / "a.tif", exif=exif.tobytes(), icc_profile=pyvips.Image.profile_load("cmyk")
    )
    photo = read_photo(tmp_path / "a.tif")
    told = Image.Exif()
    told.load(photo.exif)
    assert told.get_ifd(0x8769)[0xA001] == 1
    assert photo.icc[16:20] == b"RGB "


def pages():
    exif = Image.Exif()
    exif[0x010F] = "Pellucid"
    exif.get_ifd(0x8769)[0x927C] = b"maker note"
    exif.get_ifd(0x8825)[29] = "2024:01:02"
    yield Photo(pixels=noise("uint8", 3, (5, 7)), exif=exif.tobytes(), dpi=(300.0, 150.0))
    yield Photo(pixels=noise("uint16", 1, (9, 4)), icc=b"grey profile", iptc=IPTC, dpi=(762.0, 762.0), unit="cm")
    yield Photo(pixels=noise("float32", 3, (3, 3)), alpha=noise("float32", 1, (3, 3))[..., 0], xmp=b"<x/>" * 9)


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_keep_what_is_theirs(tmp_path, monkeypatch, big, compression):
    if big:
        monkeypatch.setattr(tiff_write, "_CLASSIC_BYTES", 10)
    written = list(pages())
    source, path = tmp_path / "a.tif", tmp_path / "b.tif"
    write_picture(Picture.of(*written), source, Saving(compression=compression))
    picture = open_picture(source)
    assert (picture.count, picture.timing, picture.format) == (3, None, "TIFF")
    write_picture(picture, path)
    assert path.read_bytes()[2] == (43 if big else 42)
    for photo, back in zip(written, map(Photo.of, open_picture(path).frames()), strict=True):
        np.testing.assert_array_equal(back.interleaved(), photo.interleaved())
        assert back.pixels.dtype == photo.pixels.dtype
        assert (back.icc, back.xmp, back.iptc, back.dpi, back.unit) == (
            photo.icc,
            photo.xmp,
            photo.iptc,
            photo.dpi,
            photo.unit,
        )
    told = Image.Exif()
    told.load(open_picture(path).first().exif)
    assert (told[0x010F], told.get_ifd(0x8769)[0x927C]) == ("Pellucid", b"maker note")
    assert told.get_ifd(0x8825)[29] == "2024:01:02"
    with tifffile.TiffFile(path) as file:  # whose unpackers are an extra
        for page, photo in zip(file.pages, written if compression is None else (), strict=compression is None):
            np.testing.assert_array_equal(page.asarray().reshape(photo.interleaved().shape), photo.interleaved())


def test_previews_and_masks_are_no_pages(tmp_path, caplog):
    images = [Image.new("L", (8, 8), value) for value in (1, 2, 3)]
    images[1].encoderinfo = {"tiffinfo": {254: 1}}
    images[2].encoderinfo = {"tiffinfo": {254: 4}}
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:])
    picture = open_picture(tmp_path / "a.tif")
    assert picture.count == 1
    write_picture(picture, tmp_path / "b.tif")
    assert "left out: preview, mask" in caplog.text


def test_each_page_in_its_own_model(tmp_path):
    rgb = noise("uint8", 3)
    inks = np.concatenate([255 - rgb, np.zeros_like(rgb[..., :1])], -1)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write((rgb / 255).astype(np.float16), photometric="rgb", metadata=None)
        file.write(inks, photometric="separated", metadata=None)
    first, second = map(Photo.of, open_picture(tmp_path / "a.tif").frames())
    np.testing.assert_allclose(first.pixels * 255, rgb, atol=0.2)
    np.testing.assert_array_equal(second.pixels, rgb)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_rows(tmp_path, orientation):
    values = noise("uint16", 4)
    path = tiff(tmp_path / "a.tif", values, extrasamples=["unassalpha"], extratags=[(274, 3, 1, orientation, True)])
    turned = values
    if orientation >= 5:
        turned = turned.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    picture = open_picture(path)
    np.testing.assert_array_equal(picture.first().array(), turned)
    assert (picture.path is None) == (orientation != 1)


def test_endless_pages_end(tmp_path):
    write_picture(Picture.of(*pages()), tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    place, last = struct.unpack_from("<I", data, 4)[0], 0
    while place:
        (count,) = struct.unpack_from("<H", data, place)
        last = place + 2 + 12 * count
        (place,) = struct.unpack_from("<I", data, last)
    data[last : last + 4] = data[4:8]
    (tmp_path / "a.tif").write_bytes(data)
    assert open_picture(tmp_path / "a.tif").count == 3


def test_no_damage_escapes(tmp_path):
    path = tmp_path / "a.tif"
    photos = [
        replace(photo, icc=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) for photo in pages()
    ]
    for compression in ("none", "zstd"):
        write_picture(Picture.of(*photos), path, Saving(compression=compression))
        for data in damaged(path.read_bytes()):
            path.write_bytes(data)
            try:
                for frame in open_picture(path, max_pixels=10**6).frames():
                    frame.array()
            except ImageError as error:
                assert str(error).startswith(f"{path}: ")
                assert "\n" not in str(error)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_another_reader_finds_nothing_wrong(tmp_path):
    path = tiff(tmp_path / "a.tif", noise("uint8", 3), extratags=GEO + PRIVATE)
    write_picture(open_picture(with_text(path)), tmp_path / "b.tif")
    for name in ("a.tif", "b.tif"):
        told = subprocess.run(
            ["exiftool", "-validate", "-warning", "-a", tmp_path / name], capture_output=True, text=True, check=True
        ).stdout
        assert "Error" not in told
    assert "OK" in told
