"""Whatever the size of a file and whichever way its rows are asked for: the same pixels, the same things carried."""

import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

from pellucid.files import FileOptions, restore_files
from pellucid.imaging import Photo, open_picture, read_photo, write_photo
from pellucid.imaging.rows import rows_at_once
from pellucid.inference import Restorer

from conftest import Identity

SIZES = [(1, 1), (5, 7), (64, 96), (301, 40)]  # height and width: more rows than are decoded at once, too
Make = Callable[[tuple[int, int], Path], None]


def pixels(size: tuple[int, int], bands: int = 3, dtype: str = "uint8") -> NDArray[Any]:
    """Smooth and random, of (height, width, bands)."""
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8))
    large = np.asarray(small.resize(size[::-1], Image.Resampling.BICUBIC))[:, :, :bands].astype(np.float64) / 255
    return (large * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind == "u" else large.astype(dtype)


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[0x0112], made[0x010F] = orientation, "Pellucid"
    return made.tobytes()


def pillow(mode: str = "RGB", **options: Any) -> Make:
    bands = {"L": 1, "1": 1, "LA": 2, "RGBA": 4}.get(mode, 3)

    def make(size: tuple[int, int], path: Path) -> None:
        shown = pixels(size, bands)
        Image.fromarray(shown.squeeze(2) if bands == 1 else shown).convert(mode).save(path, **options)

    return make


def vips(dtype: str = "uint8", bands: int = 3, **options: Any) -> Make:
    kind = {"uint8": "srgb", "uint16": "rgb16", "float32": "srgb"}[dtype]

    def make(size: tuple[int, int], path: Path) -> None:
        kinds = kind if bands > 2 else "grey16" if dtype == "uint16" else "b-w"
        image = pyvips.Image.new_from_array(pixels(size, bands, dtype)).copy(interpretation=kinds)
        image.write_to_file(str(path), **options)

    return make


def with_tifffile(dtype: str = "uint8", bands: int = 3, **options: Any) -> Make:
    def make(size: tuple[int, int], path: Path) -> None:
        stored = pixels(size, bands, dtype)
        pytest.importorskip("tifffile").imwrite(path, stored.squeeze(2) if bands == 1 else stored, **options)

    return make


def planar(size: tuple[int, int], path: Path) -> None:
    stored = np.moveaxis(pixels(size), 2, 0)
    pytest.importorskip("tifffile").imwrite(path, stored, photometric="rgb", planarconfig="separate")


def ours(dtype: str = "uint8", bands: int = 3, **carried: Any) -> Make:
    def make(size: tuple[int, int], path: Path) -> None:
        shown = pixels(size, bands, dtype)
        colours = bands - 1 if bands in (2, 4) else bands
        alpha = shown[:, :, -1].copy() if colours < bands else None
        write_photo(Photo(pixels=shown[:, :, :colours].copy(), alpha=alpha, **carried), path)

    return make


def cut(size: tuple[int, int], path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(pixels(size)).save(data, "JPEG")
    path.write_bytes(data.getvalue()[:-2])


def heic(size: tuple[int, int], path: Path) -> None:
    module = pytest.importorskip("pillow_heif")
    module.from_pillow(Image.fromarray(pixels(size))).save(path, quality=80)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKERS = {
    "colour.jpg": pillow(dpi=(300, 200), icc_profile=PROFILE, comment=b"Comment", exif=exif(1), quality=90),
    "grey.jpe": pillow("L"),
    "progressive.jfif": pillow(progressive=True, subsampling=0),
    "cmyk.jpg": pillow("CMYK"),
    "without an end.jpg": cut,
    **{f"turned{number}.jpg": pillow(exif=exif(number), dpi=(300, 200)) for number in range(2, 9)},
    "colour.png": pillow(dpi=(300, 200), icc_profile=PROFILE, exif=exif(1)),
    "grey.png": pillow("L"),
    "bilevel.png": pillow("1"),
    "palette.png": pillow("P", transparency=3),
    "alpha.png": pillow("RGBA"),
    "grey and alpha.png": pillow("LA"),
    "16.png": vips("uint16"),
    "grey16.png": vips("uint16", 1),
    "alpha16.png": vips("uint16", 4),
    "interlaced.png": vips(interlace=True),
    "turned6.png": pillow(exif=exif(6)),
    "turned3.png": pillow("RGBA", exif=exif(3)),
    "colour.tif": pillow(dpi=(300, 200), icc_profile=PROFILE),
    "deflate.tif": pillow(compression="tiff_adobe_deflate"),
    "lzw.tif": pillow("RGBA", compression="tiff_lzw"),
    "jpeg.tif": pillow(compression="jpeg"),
    "bilevel.tif": pillow("1", compression="group4"),
    "palette.tif": pillow("P"),
    "cmyk.tif": pillow("CMYK"),
    "lab.tif": pillow("LAB"),
    "turned6.tif": pillow(exif=exif(6)),
    "16.tif": with_tifffile("uint16", photometric="rgb"),
    "grey16.tif": with_tifffile("uint16", 1),
    "float.tif": with_tifffile("float32", photometric="rgb"),
    "half.tif": with_tifffile("float16", photometric="rgb"),
    "tiles.tif": with_tifffile("uint16", photometric="rgb", tile=(16, 16)),
    "planes.tif": planar,
    "alpha16.tif": with_tifffile("uint16", 4, photometric="rgb", extrasamples=["unassalpha"]),
    "lossy.webp": pillow(exif=exif(1)),
    "lossless.webp": pillow("RGBA", lossless=True),
    "turned8.webp": pillow(exif=exif(8), lossless=True),
    "still.gif": pillow("P"),
    "transparent.gif": pillow("P", transparency=3),
    "colour.avif": pillow(quality=80),
    "alpha.avif": pillow("RGBA", quality=80),
    "10.avif": ours("uint16", bits=10),
    "12.avif": ours("uint16", 4, bits=12),
    "colour.heic": heic,
    "10.heic": ours("uint16", bits=10),
    "colour.bmp": pillow(dpi=(300, 200)),
    "palette.bmp": pillow("P"),
    "bilevel.bmp": pillow("1"),
    "colour.ppm": pillow(),
    "grey.pgm": pillow("L"),
    "bilevel.pbm": pillow("1"),
    "16.ppm": ours("uint16"),
    "alpha.pam": ours("uint16", 4),
}


@pytest.fixture(params=MAKERS, scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """One kind of file in several sizes."""
    folder = tmp_path_factory.mktemp("sizes")
    paths = [folder / f"{height}x{width} {request.param}" for height, width in SIZES]
    for size, path in zip(SIZES, paths, strict=True):
        MAKERS[request.param](size, path)
    yield paths


def test_rows_are_the_same_however_they_are_asked_for(made: list[Path]) -> None:
    for path in made:
        photo = read_photo(path)
        expected = photo.interleaved()
        frame = open_picture(path).first()
        assert frame.carried() == photo.carried()
        assert (frame.samples.shape, frame.dtype) == (expected.shape, expected.dtype)
        for step in (1, 3, 100, len(expected)):
            tops = range(0, len(expected), step)
            rows = [frame.samples[top : top + step] for top in tops]
            np.testing.assert_array_equal(np.concatenate(rows), expected)
        half, columns = len(expected) // 2, slice(1, None)
        np.testing.assert_array_equal(frame.samples[half:, columns], expected[half:, 1:])
        np.testing.assert_array_equal(frame.samples[0:1], expected[:1])  # back to the top
        np.testing.assert_array_equal(np.concatenate(list(frame.strips())), expected)


def test_the_only_frame_is_the_picture(made: list[Path]) -> None:
    for path in made:
        picture = open_picture(path)
        (frame,) = picture.frames()
        assert picture.count == 1
        assert picture.timing is None
        np.testing.assert_array_equal(frame.array(), read_photo(path).interleaved())
        (again,) = picture.frames()
        np.testing.assert_array_equal(again.array(), frame.array())


class Brighter(Identity):
    """Changes every pixel by its own value alone."""

    def forward(self, image: Tensor) -> Tensor:
        return image * torch.tensor(0.75) + 0.125


def test_results_are_the_same_above_and_below_the_size_that_is_held_in_memory(
    made: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer(Brighter(), tile=64, overlap=16)
    results = {}
    for name, large in (("memory", 10**9), ("rows", 0)):
        monkeypatch.setattr("pellucid.imaging.picture.LARGE", large)
        outcome = list(restore_files(made, tmp_path / name, restorer=restorer, options=FileOptions()))
        assert [result.error for result in outcome] == [None] * len(made)
        results[name] = [Path(str(result.target)).read_bytes() for result in outcome]
        facts = [(result.read, result.warnings) for result in outcome]
        results[f"{name}, told"] = [(read, [w.split(": ")[-1] for w in warnings]) for read, warnings in facts]
    assert results["memory, told"] == results["rows, told"]
    assert results["memory"] == results["rows"]


def test_strips_cover_a_picture_of_any_size() -> None:
    for height, width in [*SIZES, (1, 2**24), (100_000, 1)]:
        spans = list(rows_at_once(height, width))
        assert spans[0].start == 0
        assert spans[-1].stop == height
        assert all(one.stop == other.start for one, other in pairwise(spans))
