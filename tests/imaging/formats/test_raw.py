"""Camera raw files: developed upright in 16 bits, with what the camera says of the photograph."""

import struct

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import READ_ONLY_SUFFIXES, open_picture, read_photo, write_photo
from pellucid.imaging.formats import raw

from conftest import dng


def test_it_is_developed(tmp_path):
    pytest.importorskip("rawpy")
    photo = read_photo(dng(tmp_path / "a.dng"))
    assert photo.pixels.shape == (128, 96, 3)
    assert photo.pixels.dtype == np.uint16
    assert photo.icc[16:20] == b"RGB "
    assert photo.format == "RAW"
    red, green, _ = photo.pixels.astype(float).transpose(2, 0, 1)
    assert red[-20:].mean() > 3 * red[:20].mean()  # to the right as it was taken, down when turned
    assert green[:, :20].mean() > 2 * green[:, -20:].mean()
    exif = Image.Exif()
    exif.load(photo.exif)
    assert dict(exif) == {271: "Pellucid", 274: 1, 305: "tifffile.py"}
    assert photo.xmp == b"<xmp/>"
    write_photo(photo, tmp_path / "a.tif")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, photo.pixels)


def test_a_result_is_never_a_copy_of_it(tmp_path):
    pytest.importorskip("rawpy")
    assert open_picture(dng(tmp_path / "a.dng")).path is None


def test_the_limit_is_the_callers(tmp_path):
    pytest.importorskip("rawpy")
    with pytest.raises(ImageError, match="above the limit"):
        read_photo(dng(tmp_path / "a.dng"), max_pixels=1000)


def test_what_cannot_be_developed(tmp_path):
    pytest.importorskip("rawpy")
    (tmp_path / "a.nef").write_bytes(b"II*\0\x08\0\0\0" + bytes(500))
    with pytest.raises(ImageError, match="cannot be developed"):
        read_photo(tmp_path / "a.nef")


def test_without_its_name_it_is_told(tmp_path):
    dng(tmp_path / "a.dng").rename(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="camera raw file without its name"):
        read_photo(tmp_path / "a.tif")


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(ImageError, match=r'a\.dng: .*pip install "pellucid\[raw\]"'):
        read_photo(dng(tmp_path / "a.dng"))


def test_it_is_only_read():
    assert set(raw.FORMAT.suffixes) == READ_ONLY_SUFFIXES
    assert raw.FORMAT.written == ()


@pytest.mark.parametrize("head", [b"FUJIFILMCCD-RAW", b"II\x1a\0\0\0HEAPCCDR", b"\0\0\0\x18ftypcrx ", b"IIU\0"])
def test_cameras_own_beginnings(head, tmp_path):
    assert raw.FORMAT.begins(head, tmp_path / "a")


def test_names_tell_where_beginnings_do_not(tmp_path):
    head = b"II*\0" + struct.pack("<I", 8)
    assert raw.FORMAT.begins(head, tmp_path / "a.NEF")
    assert not raw.FORMAT.begins(head, tmp_path / "a.tif")
