"""Every format with every depth, channels, alpha and metadata that it holds: written and read again."""

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pellucid.errors import ImageError, MissingExtraError
from pellucid.imaging import (
    READ_ONLY_SUFFIXES,
    READABLE_SUFFIXES,
    WRITABLE_SUFFIXES,
    Photo,
    check_writable_suffix,
    read_photo,
    read_size,
    write_photo,
)
from pellucid.imaging.formats import format_of

from conftest import dng

RNG = np.random.default_rng(6)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@dataclass(frozen=True)
class Kind:
    """What a format is expected to hold."""

    dtypes: tuple[str, ...]
    alpha: bool
    holds: frozenset[str]
    lossless: bool = True


DESCRIPTION = frozenset({"exif", "icc", "xmp"})
EVERYTHING = DESCRIPTION | {"iptc", "dpi"}
KINDS = {
    "png": Kind(("uint8", "uint16"), True, EVERYTHING),
    "tif": Kind(("uint8", "uint16", "float32"), True, EVERYTHING),
    "webp": Kind(("uint8",), True, DESCRIPTION),
    "gif": Kind(("uint8",), False, frozenset({"xmp"})),
    "bmp": Kind(("uint8",), False, frozenset({"dpi"})),
    "ppm": Kind(("uint8", "uint16"), False, frozenset()),
    "jpg": Kind(("uint8",), False, EVERYTHING, lossless=False),
    "avif": Kind(("uint8", "uint16"), True, DESCRIPTION, lossless=False),
    "heic": Kind(("uint8", "uint16"), True, DESCRIPTION, lossless=False),
}


def exif_bytes(maker_note=b"maker note", orientation=1):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Pellucid", orientation
    exif.get_ifd(0x8769)[0x829A] = 0.004
    exif.get_ifd(0x8769)[0x927C] = maker_note
    exif.get_ifd(0x8825)[1] = "N"
    return exif.tobytes()


def record(number, value):
    return bytes((0x1C, 2, number)) + struct.pack(">H", len(value)) + value


EXIF = st.builds(exif_bytes, st.binary(min_size=1, max_size=40).map(lambda note: b"note" + note))
XMP = st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=300).map(
    lambda text: f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{text}</x:xmpmeta>'.encode()
)
IPTC = st.lists(st.binary(max_size=30).map(lambda value: record(25, value)), min_size=1).map(b"".join)
DPI = st.tuples(*[st.integers(1, 1200).map(float)] * 2)


@st.composite
def photos(draw, kind, shape=(1, 12)):
    """A photo that a format holds whole."""
    dtype = draw(st.sampled_from(kind.dtypes))
    height, width = draw(st.integers(*shape)), draw(st.integers(*shape))
    channels = draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if kind.lossless:
        values = rng.random((height, width, channels + 1))
    else:  # slowly changing, or codecs would make another picture of it
        ramps = np.linspace(0.2, 0.8, height)[:, None] * np.linspace(0.4, 1, width)
        values = ramps[:, :, None] * rng.uniform(0.5, 1, channels + 1)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    values = (values * top).astype(dtype)
    alpha = values[:, :, channels] if kind.alpha and draw(st.booleans()) else None
    strategies = {"exif": EXIF, "icc": st.just(SRGB), "xmp": XMP, "iptc": IPTC, "dpi": DPI}
    fields = {name: draw(st.none() | strategies[name]) for name in strategies if name in kind.holds}
    bits = draw(st.sampled_from([10, 12])) if dtype == "uint16" and not kind.lossless else None
    return Photo(pixels=values[:, :, :channels], alpha=alpha, bits=bits, lossless=True, **fields)


def meaning(payload):
    """EXIF as the tags it has, wherever they lie."""
    if payload is None:
        return None
    exif = Image.Exif()
    exif.load(payload)
    details = {tag: exif.get_ifd(tag) for tag in (0x8769, 0x8825)}
    return {tag: value for tag, value in exif.items() if tag not in (0x8769, 0x8825, 0x0112)}, details


def same_fields(photo, back, kind):
    assert meaning(back.exif) == meaning(photo.exif)
    for name in ("icc", "xmp", "iptc"):
        assert getattr(back, name) == getattr(photo, name), name
    if photo.dpi is None:
        assert back.dpi in (None, (96.0, 96.0))  # every BMP says one
    else:
        np.testing.assert_allclose(back.dpi, photo.dpi, atol=0.1)


@pytest.mark.parametrize("suffix", [suffix for suffix, kind in KINDS.items() if kind.lossless])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_lossless_formats_give_back_everything(tmp_path, suffix, data):
    kind, path = KINDS[suffix], tmp_path / f"a.{suffix}"
    photo = data.draw(photos(kind))
    write_photo(photo, path)
    back = read_photo(path)
    assert back.pixels.dtype == photo.pixels.dtype
    if suffix == "webp":  # which knows no grey
        np.testing.assert_array_equal(back.pixels, np.broadcast_to(photo.pixels, back.pixels.shape))
        assert back.lossless
    else:
        np.testing.assert_array_equal(back.pixels, photo.pixels)
    if photo.alpha is None:
        assert back.alpha is None
    else:
        np.testing.assert_array_equal(back.alpha, photo.alpha)
    same_fields(photo, back, kind)


@pytest.mark.parametrize("suffix", [suffix for suffix, kind in KINDS.items() if not kind.lossless])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_lossy_formats_give_back_all_but_a_little(tmp_path, suffix, data):
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    kind, path = KINDS[suffix], tmp_path / f"a.{suffix}"
    photo = data.draw(photos(kind, (16, 40)))
    write_photo(photo, path, quality=97)
    back = read_photo(path)
    assert (back.pixels.dtype, back.bits, back.height, back.width) == (
        photo.pixels.dtype,
        photo.bits,
        photo.height,
        photo.width,
    )
    if suffix == "jpg" or (photo.alpha is None and photo.bits is None):  # others store such grey as colour
        assert back.channels == photo.channels
    top = np.iinfo(photo.pixels.dtype).max
    assert abs(back.pixels.astype(float) - photo.pixels).max() <= 0.03 * top
    assert (back.alpha is None) == (photo.alpha is None)
    if photo.alpha is not None:
        assert abs(back.alpha.astype(float) - photo.alpha).max() <= 0.03 * top
    same_fields(photo, back, kind)


@pytest.mark.parametrize("suffix", ["jpg", "avif", "heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_turned_once(tmp_path, suffix, orientation):
    """As cameras store it: HEIC and AVIF tell the turn twice, in the container and in EXIF."""
    corner = np.full((48, 64, 3), 40, np.uint8)
    corner[:16, :16] = (220, 30, 30)  # top left when upright
    upright = Image.fromarray(corner)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = exif_bytes(orientation=orientation)
    if suffix == "heic":
        library = pytest.importorskip("pillow_heif")
        library.from_pillow(stored).save(tmp_path / "a.heic", exif=exif, quality=95)
    else:
        stored.save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    photo = read_photo(tmp_path / f"a.{suffix}")
    assert photo.pixels.shape == corner.shape
    assert abs(photo.pixels.astype(int) - corner).mean() < 4
    write_photo(photo, tmp_path / f"b.{suffix}")
    again = read_photo(tmp_path / f"b.{suffix}")
    assert abs(again.pixels.astype(int) - corner).mean() < 5


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_bits_reach_from_black_to_white(tmp_path, suffix, bits):
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    ends = np.zeros((32, 32, 3), np.uint16)
    ends[16:] = 65535
    write_photo(Photo(pixels=ends, bits=bits), tmp_path / f"a.{suffix}", quality=100)
    back = read_photo(tmp_path / f"a.{suffix}")
    assert back.bits == bits
    assert back.pixels[4, 4].max() <= 200
    assert back.pixels[28, 28].min() >= 65535 - 200


def test_sixteen_bits_become_twelve_with_a_word(tmp_path, caplog):
    write_photo(Photo(pixels=np.full((16, 16, 3), 999, np.uint16)), tmp_path / "a.avif")
    assert "12 bits" in caplog.text
    assert read_photo(tmp_path / "a.avif").bits == 12


def test_missing_extras_are_named(tmp_path, monkeypatch):
    dng(tmp_path / "a.dng")
    (tmp_path / "a.heic").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
    for name in ("pillow_heif", "rawpy"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ImageError, match=r'a\.heic: .*pip install "pellucid\[heic\]"'):
        read_photo(tmp_path / "a.heic")
    with pytest.raises(ImageError, match=r'a\.dng: .*pip install "pellucid\[raw\]"'):
        read_photo(tmp_path / "a.dng")
    with pytest.raises(MissingExtraError, match=r'pip install "pellucid\[heic\]"'):
        check_writable_suffix("b.heic")
    with pytest.raises(MissingExtraError, match=r"pellucid\[heic\]"):
        write_photo(Photo(pixels=np.zeros((8, 8, 3), np.uint8)), tmp_path / "b.heic")
    assert not (tmp_path / "b.heic").exists()


def test_names_of_formats():
    assert {".heic", ".heif", ".dng", ".nef", ".gif", ".avif", ".apng"} <= READABLE_SUFFIXES
    assert {".heic", ".gif", ".avif", ".apng", ".ppm"} <= WRITABLE_SUFFIXES
    assert not READ_ONLY_SUFFIXES & WRITABLE_SUFFIXES
    for name, head in (
        ("AVIF", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"),
        ("HEIF", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
    ):
        assert format_of(head, Path("a")).name == name
    assert format_of(b"\0\0\0\x14ftypisom\0\0\0\0mp42heic", Path("a")) is None


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "gif", "bmp", "ppm", "jpg", "avif", "heic", "dng"])
def test_the_limit_is_the_callers(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "dng":
        pytest.importorskip("rawpy")
        dng(path)
    else:
        if suffix == "heic":
            pytest.importorskip("pillow_heif")
        write_photo(Photo(pixels=np.zeros((96, 128, 3), np.uint8)), path)
    assert read_photo(path, max_pixels=96 * 128)
    assert read_size(path) in ((96, 128), (128, 96), None)  # the raw one is turned
    assert read_size(path, max_pixels=96 * 128 - 1) is None
    with pytest.raises(ImageError, match=r"above the limit of 0\.012287 megapixels; `max_pixels` raises it"):
        read_photo(path, max_pixels=96 * 128 - 1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(["avif", "heic", "tif", "gif", "webp", "ppm", "png", "dng"]))
def test_damaged_files_are_refused_or_read(tmp_path, data, suffix):
    path = tmp_path / f"whole.{suffix}"
    if not path.exists():
        if suffix == "dng":
            dng(path)
        else:
            pixels = RNG.integers(0, 200, (24, 24, 3), np.uint8)
            photo = Photo(pixels=pixels, exif=exif_bytes(), xmp=b"<x/>", iptc=record(25, b"rain"))
            write_photo(replace(photo, pixels=pixels * np.uint16(257)) if suffix in ("tif", "ppm") else photo, path)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = whole[: data.draw(st.integers(1, len(whole)))] if data.draw(st.booleans()) else whole
    assume(cut)
    (tmp_path / f"a.{suffix}").write_bytes(cut)
    try:
        read_photo(tmp_path / f"a.{suffix}", max_pixels=10**6)
    except ImageError as error:
        assert str(error).startswith(f"{tmp_path / 'a'}.{suffix}: ")
        assert "\n" not in str(error)
