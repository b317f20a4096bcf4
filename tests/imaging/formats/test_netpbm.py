"""PNM and PAM: any highest value means white and comes back, comments stay, and rows are the whole's."""

import shutil
import subprocess
import tracemalloc

import numpy as np
import pytest

from pellucid.errors import ImageError
from pellucid.imaging import Photo, open_picture, read_photo, read_size, write_photo, write_picture
from pellucid.imaging.carried import Text

RNG = np.random.default_rng(9)


def stored(path, kind, values, highest, comment=b"# a comment"):
    """A file of a kind, 2 to 6, as others write it."""
    height, width, _ = values.shape
    header = b"P%d\n%s\n%d %d %d\n" % (kind, comment, width, height, highest)
    if kind in (2, 3):
        body = b"\n".join(b" ".join(str(value).encode() for value in row.ravel()) for row in values)
    else:
        body = values.astype(">u2" if highest > 255 else "u1").tobytes()
    path.write_bytes(header + body)
    return path


@pytest.mark.parametrize("highest", [1, 100, 255, 256, 1023, 4095, 65534, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_any_highest_value_is_white(tmp_path, kind, highest, caplog):
    channels = 3 if kind in (3, 6) else 1
    values = RNG.integers(0, highest + 1, (4, 5, channels))
    values[0, 0, 0], values[0, 0, -1] = 0, highest
    path = stored(tmp_path / "a.ppm", kind, values, highest)
    top = 255 if highest < 256 else 65535
    photo = read_photo(path)
    assert photo.pixels.dtype == (np.uint8 if top == 255 else np.uint16)
    np.testing.assert_array_equal(photo.pixels, np.rint(values * (top / highest)))
    assert photo.bits == {1023: 10, 4095: 12}.get(highest)
    write_picture(open_picture(path), tmp_path / "b.ppm")
    assert (tmp_path / "b.ppm").read_bytes() == stored(
        tmp_path / "c.ppm", 6 if channels == 3 else 5, values, highest
    ).read_bytes().replace(b"5 4 %d" % highest, b"5 4\n%d" % highest)
    write_picture(open_picture(path), tmp_path / "b.png")
    assert [record.message for record in caplog.records if "comment" not in record.message.lower()] == []
    np.testing.assert_array_equal(read_photo(tmp_path / "b.png").pixels, photo.pixels)


@pytest.mark.parametrize("raw", [False, True])
def test_bits_are_ink(tmp_path, raw):
    ink = RNG.integers(0, 2, (5, 11))
    if raw:
        body = b"P4\n# c\n11 5\n" + np.packbits(ink.astype(np.uint8), axis=1).tobytes()
    else:
        body = b"P1\n# c\n11 5\n" + b"\n".join(b"".join(b"%d" % bit for bit in row) for row in ink) + b"\n"
    (tmp_path / "a.pbm").write_bytes(body)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.pbm").pixels[:, :, 0], 255 * (1 - ink))
    assert read_photo(tmp_path / "a.pbm").text == (Text("Comment", "c"),)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_pam_holds_alpha(tmp_path, dtype, channels, alpha, caplog):
    top = np.iinfo(dtype).max
    mask = RNG.integers(0, top, (300, 7), dtype) if alpha else None
    photo = Photo(pixels=RNG.integers(0, top, (300, 7, channels), dtype), alpha=mask, text=(Text("Comment", "Ä\nb"),))
    write_photo(photo, tmp_path / "a.pam")
    back = read_photo(tmp_path / "a.pam")
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert (back.alpha is None) == (mask is None)
    if alpha:
        np.testing.assert_array_equal(back.alpha, mask)
    assert [text.value for text in back.text] == ["Ä", "b"]
    assert back.format == "PAM"
    assert not caplog.records
    if shutil.which("convert"):
        subprocess.run(["convert", tmp_path / "a.pam", "-depth", "16", f"png64:{tmp_path / 'seen.png'}"], check=True)
        seen = read_photo(tmp_path / "seen.png")
        np.testing.assert_array_equal(
            seen.pixels, np.broadcast_to(photo.pixels.astype(int), seen.pixels.shape) * (65535 // top)
        )


@pytest.mark.parametrize("kind", [3, 6])
def test_rows_are_the_whole(tmp_path, kind):
    values = RNG.integers(0, 701, (700, 300, 3))
    samples = open_picture(stored(tmp_path / "a.ppm", kind, values, 700)).first().samples
    whole = np.rint(values * (65535 / 700))
    for place in (slice(0, 10), slice(5, 690), slice(690, 700), slice(3, 7)):
        np.testing.assert_array_equal(samples[place, 4:20], whole[place, 4:20])


def test_it_is_read_by_rows(tmp_path):
    values = RNG.integers(0, 256, (4000, 1000, 3), np.uint8)
    path = stored(tmp_path / "a.ppm", 6, values, 255)
    tracemalloc.start()
    write_picture(open_picture(path), tmp_path / "b.ppm")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes / 2
    np.testing.assert_array_equal(read_photo(tmp_path / "b.ppm").pixels, values)


def test_further_pictures_are_named(tmp_path, caplog):
    path = stored(tmp_path / "a.ppm", 6, RNG.integers(0, 256, (4, 5, 3)), 255)
    path.write_bytes(path.read_bytes() * 2)
    write_picture(open_picture(path), tmp_path / "b.png")
    assert "left out: further pictures" in caplog.text


def test_size_by_the_head(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P2 40000 20000 255\n")
    assert read_size(tmp_path / "a.pgm") == (20000, 40000)


@pytest.mark.parametrize(
    "content",
    [
        b"P6\n4 4\n65535\n123",
        b"P6\n4 4\n0\n" + bytes(99),
        b"P6\n4 4\n65536\n" + bytes(99),
        b"P6\n0 4\n255\n",
        b"P3\n2 2\n300\n1 2 three",
        b"P3\n2 2\n300\n1 2 3",
        b"P3 2 2 300 1 2 -3 " + b"4 " * 9,
        b"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 7\nMAXVAL 255\nENDHDR\n" + bytes(112),
        b"P7\nWIDTH 4\n",
        b"P7\n" + b"\n" * 40_000,
        b"P5\n#" + b"x" * 40_000,
    ],
)
def test_damage_is_told(tmp_path, content):
    (tmp_path / "a.ppm").write_bytes(content)
    with pytest.raises(ImageError, match="damaged"):
        read_photo(tmp_path / "a.ppm")
