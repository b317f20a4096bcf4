"""What an operation makes untrue is mended."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.imaging import Carried, open_picture, write_picture
from pellucid.imaging import exif as exif_of
from pellucid.imaging import xmp as xmp_of
from pellucid.imaging.turning import turned, turned_point

needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
REGIONS = (
    "{AppliedToDimensions={W=192,H=128,Unit=pixel},"
    "RegionList=[{Area={X=0.25,Y=0.5,W=0.1,H=0.2,Unit=normalized},Name=Anna,Type=Face},"
    "{Area={X=0.9,Y=0.1,W=0.1,H=0.1,Unit=normalized},Name=Ben,Type=Face}]}"
)


def exiftool(*arguments: str | Path) -> dict[str, object]:
    done = subprocess.run(["exiftool", "-j", "-n", *map(str, arguments)], capture_output=True, check=True, text=True)
    return json.loads(done.stdout or "[{}]")[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_places_turn_with_the_pixels(orientation):
    stored = np.zeros((4, 7), np.uint8)
    stored[1, 5] = 1
    x, y = turned_point(5, 1, orientation, (6, 3))
    assert turned(stored, orientation)[int(y), int(x)] == 1


@needs_exiftool
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_tells_its_own_geometry(tmp_path, orientation, suffix):
    pixels = np.random.default_rng(0).integers(60, 190, (128, 192, 3), dtype="u1")
    source, target = tmp_path / "in.jpg", tmp_path / f"out.{suffix}"
    Image.fromarray(pixels).save(source, quality=92)
    facts = ("-ExifImageWidth=192", "-ExifImageHeight=128", "-SubjectArea=50 60 20 10", "-XResolution=300")
    more = ("-YResolution=200", "-XMP-tiff:ImageWidth=192", "-XMP-tiff:ImageHeight=128", f"-RegionInfo={REGIONS}")
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", f"-Orientation#={orientation}", *facts, *more, str(source)],
        check=True,
    )
    write_picture(open_picture(source), target)
    told = exiftool("-struct", target)
    swapped = orientation >= 5
    assert (told["ExifImageWidth"], told["ExifImageHeight"]) == ((128, 192) if swapped else (192, 128))
    x, y = turned_point(50, 60, orientation, (191, 127))
    sides = "10 20" if swapped else "20 10"
    assert told["SubjectArea"] == f"{x:.0f} {y:.0f} {sides}"
    assert told["Orientation"] == 1
    regions = told["RegionInfo"]
    assert (regions["AppliedToDimensions"]["W"], regions["AppliedToDimensions"]["H"]) == (
        (128, 192) if swapped else (192, 128)
    )
    for region, centre, size in zip(
        regions["RegionList"], [(0.25, 0.5), (0.9, 0.1)], [(0.1, 0.2), (0.1, 0.1)], strict=True
    ):
        area = region["Area"]
        assert (area["X"], area["Y"]) == pytest.approx(turned_point(*centre, orientation))
        assert (area["W"], area["H"]) == (size[::-1] if swapped else size)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_attributes_turn_as_elements_do(orientation):
    xmp = b"""<r tiff:Orientation='6' exif:PixelXDimension="4" exif:PixelYDimension="3"><mwg-rs:Area stArea:h='0.2'
    stArea:y='0.1' stArea:x='0.9' stArea:w='0.4'/><MPReg:Rectangle>0.1, 0.2, 0.3, 0.4</MPReg:Rectangle></r>"""
    upright = xmp_of.upright(xmp, orientation)
    assert b"tiff:Orientation='1'" in upright
    x, y = turned_point(0.9, 0.1, orientation)
    assert f"stArea:x='{x:.9g}'".encode() in upright
    assert f"stArea:y='{y:.9g}'".encode() in upright
    assert (b"stArea:h='0.4'" in upright) == (b'PixelXDimension="3"' in upright) == (orientation >= 5)
    assert (b"0.1, 0.2, 0.3, 0.4" in upright) == (orientation == 1)


def test_undoing_all_turns_comes_back():
    xmp = b"<MPReg:Rectangle>0.1, 0.2, 0.3, 0.4</MPReg:Rectangle>"
    once = xmp_of.upright(xmp, 6)
    assert once == b"<MPReg:Rectangle>0.4, 0.1, 0.4, 0.3</MPReg:Rectangle>"
    assert xmp_of.upright(once, 8) == xmp


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0junk that is no TIFF", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged_exif_is_dropped(exif):
    assert Carried(exif=exif).upright(6, (4, 3)).exif is None
    assert exif_of.orientation(exif) is None
