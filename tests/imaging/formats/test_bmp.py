"""BMP: read whatever its kind, written by rows as others read it."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import Photo, Saving, open_picture, read_photo, write_photo, write_picture

RNG = np.random.default_rng(10)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (700, 301)])
@pytest.mark.parametrize("icc", [None, b"a profile"])
def test_it_comes_back(tmp_path, channels, shape, icc, caplog):
    photo = Photo(pixels=RNG.integers(0, 256, (*shape, channels), np.uint8), dpi=(300.0, 240.0), icc=icc)
    write_photo(photo, tmp_path / "a.bmp")
    back = read_photo(tmp_path / "a.bmp")
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert (back.dpi, back.icc) == ((300.0, 240.0), icc)
    seen = Image.open(tmp_path / "a.bmp")
    np.testing.assert_array_equal(np.asarray(seen), photo.pixels.squeeze(2) if channels == 1 else photo.pixels)
    assert (tmp_path / "a.bmp").stat().st_size == int.from_bytes((tmp_path / "a.bmp").read_bytes()[2:6], "little")
    assert not caplog.records


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_kinds_of_others(tmp_path, mode):
    colours = Image.fromarray(RNG.integers(0, 256, (9, 14, 4), np.uint8))
    image = colours.quantize(16) if mode == "P" else colours.convert(mode)
    image.save(tmp_path / "a.bmp")
    photo = read_photo(tmp_path / "a.bmp")
    wanted = "L" if mode in ("1", "L") else "RGB"
    np.testing.assert_array_equal(photo.pixels.squeeze(), np.asarray(image.convert(wanted)))


@pytest.mark.skipif(not shutil.which("convert"), reason="ImageMagick is not installed")
def test_transparency_of_others(tmp_path):
    samples = RNG.integers(0, 256, (9, 14, 4), np.uint8)
    Image.fromarray(samples).save(tmp_path / "a.png")
    subprocess.run(["convert", tmp_path / "a.png", tmp_path / "a.bmp"], check=True)
    photo = read_photo(tmp_path / "a.bmp")
    np.testing.assert_array_equal(np.dstack([photo.pixels, photo.alpha]), samples)


def test_no_resolution_is_made_up(tmp_path):
    write_photo(Photo(pixels=np.zeros((4, 5, 3), np.uint8)), tmp_path / "a.bmp")
    assert read_photo(tmp_path / "a.bmp").dpi is None


@pytest.mark.parametrize("suffix", ["bmp", "ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_lies_over_a_background(tmp_path, caplog, suffix, channels):
    pixels, alpha = np.full((6, 8, channels), 200, np.uint8), np.full((6, 8), 255, np.uint8)
    pixels[:, :4], alpha[:, :4] = 77, 0
    photo = Photo(pixels=pixels, alpha=alpha)
    write_photo(photo, tmp_path / f"a.{suffix}")
    back = read_photo(tmp_path / f"a.{suffix}").pixels
    assert (back[:, :4] == 255).all()
    assert (back[:, 4:] == 200).all()
    assert "alpha (it lies over white now)" in caplog.text
    (tmp_path / "in.png").unlink(missing_ok=True)
    write_photo(photo, tmp_path / "in.png")
    write_picture(open_picture(tmp_path / "in.png"), tmp_path / f"b.{suffix}", Saving(background=(9, 9, 9)))
    assert (read_photo(tmp_path / f"b.{suffix}").pixels[:, :4] == 9).all()


@pytest.mark.parametrize("cut", [10, 60, 400])
def test_damage_is_told(tmp_path, cut):
    write_photo(Photo(pixels=np.zeros((20, 20, 3), np.uint8)), tmp_path / "a.bmp")
    (tmp_path / "a.bmp").write_bytes((tmp_path / "a.bmp").read_bytes()[:cut])
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_photo(tmp_path / "a.bmp")
