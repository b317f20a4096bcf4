"""Pictures that are read and written by rows: the same as those that are held in memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pellucid.errors import ImageError, RestoreError
from pellucid.imaging import Photo, open_picture, read_photo, write_photo, write_picture
from pellucid.imaging.carried import JpegSettings
from pellucid.imaging.rows import Streamed
from pellucid.inference import Restorer
from pellucid.inference.guard import TileWatch
from pellucid.models.detector import Detector

from conftest import Identity, linear_profile

SIZE = (150, 210)


class Brighter(Identity):
    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        return image, [image]

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + 2 / 255


def photo(dtype: type = np.uint8, channels: int = 3, *, alpha: bool = False) -> Photo:
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    return Photo(
        pixels=rng.integers(0, top, (*SIZE, channels), dtype, endpoint=True),
        alpha=rng.integers(0, top, SIZE, dtype, endpoint=True) if alpha else None,
        dpi=(200.0, 200.0),
        xmp=b"<x:xmpmeta/>",
    )


def restore_by_rows(restorer: Restorer, source: Path, target: Path, watch: TileWatch | None = None) -> None:
    write_picture(open_picture(source).mapped(lambda frame: restorer.restore_frame(frame, watch=watch)), target)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_rows_are_the_pixels(tmp_path: Path, dtype: type, channels: int, alpha: bool, ending: str) -> None:
    written = photo(dtype, channels, alpha=alpha)
    source, target = tmp_path / "in.png", tmp_path / f"out.{ending}"
    write_photo(written, source)
    opened = open_picture(source).first().samples
    assert isinstance(opened, Streamed)
    assert opened.shape == (*SIZE, channels + alpha)
    np.testing.assert_array_equal(opened[20:90, 5:60][..., :channels], written.pixels[20:90, 5:60])
    np.testing.assert_array_equal(opened[0:33][..., :channels], written.pixels[:33], "going back begins anew")

    restore_by_rows(Restorer(Identity(), tile=64), source, target)
    result = read_photo(target)
    np.testing.assert_array_equal(result.pixels, written.pixels)
    assert (result.xmp, result.dpi) == (written.xmp, written.dpi)
    if written.alpha is not None:
        np.testing.assert_array_equal(result.alpha, written.alpha)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", target.name]


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "webp", "avif"])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_the_same_as_in_memory(tmp_path: Path, ending: str, linear: bool, alpha: bool) -> None:
    source, target = tmp_path / f"in.{ending}", tmp_path / "out.png"
    written = photo(alpha=alpha)
    if written.alpha is not None:
        written.alpha[40:100, 50:120] = 0
    write_photo(replace(written, icc=linear_profile() if linear else None), source)
    restorer = Restorer(Brighter(), tile=64)
    restore_by_rows(restorer, source, target)
    result, expected = read_photo(target), restorer.restore(read_photo(source))
    np.testing.assert_array_equal(result.interleaved(), expected.interleaved())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures_come_upright(tmp_path: Path, orientation: int) -> None:
    source = tmp_path / "in.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo().pixels).save(source, exif=exif, quality=100)
    opened = open_picture(source).first()
    np.testing.assert_array_equal(opened.array(), read_photo(source).pixels)
    assert opened.samples.shape[:2] == SIZE[::-1] if orientation >= 5 else SIZE


def test_a_jpeg_keeps_what_it_carries(tmp_path: Path) -> None:
    whole, source, target = tmp_path / "whole.jpg", tmp_path / "in.jpg", tmp_path / "out.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    profile = bytes(range(256)) * 300
    Image.fromarray(photo().pixels).save(
        whole, exif=exif, icc_profile=profile, xmp=b"<x/>", dpi=(300, 300), quality=80, subsampling=2
    )
    write_photo(replace(read_photo(whole), iptc=b"\x1c\x02\x78\x00\x03sky"), source)
    restore_by_rows(Restorer(Brighter(), tile=64), source, target)
    before, after = read_photo(source), read_photo(target)
    assert (after.exif, after.icc, after.xmp, after.dpi) == (before.exif, profile, b"<x/>", (300.0, 300.0))
    assert after.iptc == before.iptc == b"\x1c\x02\x78\x00\x03sky"
    assert before.jpeg is not None and after.jpeg is not None
    assert after.jpeg.subsampling == before.jpeg.subsampling
    assert abs(sum(after.jpeg.tables[0]) - sum(before.jpeg.tables[0])) <= 64


def test_what_the_format_cannot_hold_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.jpg"
    write_photo(replace(photo(np.uint16, alpha=True), xmp=b"x" * 70000), source)
    restore_by_rows(Restorer(Identity(), tile=64), source, target)
    assert "JPEG cannot hold its alpha (it lies over white now), 16-bit samples (8 bits are kept)" in caplog.text
    result = read_photo(target)
    assert (result.alpha, result.xmp, result.pixels.dtype) == (None, b"x" * 70000, np.uint8)


def test_what_is_taken_for_clean_is_left_as_it_was(tmp_path: Path) -> None:
    source, target, watch = tmp_path / "in.png", tmp_path / "out.png", TileWatch()
    write_photo(photo(alpha=True), source)
    network: Any = Brighter()
    network.detector = Detector(torch.zeros(12), torch.tensor(-1.0))
    restore_by_rows(Restorer(network, tile=64), source, target, watch)
    assert watch.taken_for_clean
    np.testing.assert_array_equal(read_photo(target).pixels, photo(alpha=True).pixels)


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Identity):
        def forward(self, image: Tensor) -> Tensor:
            return image * torch.nan

    source = tmp_path / "in.png"
    write_photo(photo(), source)
    for name, error in (("out.png", RestoreError), ("out.jpg", RestoreError), ("out.webp", RestoreError)):
        with pytest.raises(error):
            restore_by_rows(Restorer(Broken(), tile=64), source, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize(
    "odd",
    [{"dpi": (70000.0, 300.0)}, {"jpeg": JpegSettings(tables=(), subsampling=0, channels=3)}],
    ids=["dpi", "tables"],
)
def test_jpegs_of_odd_settings_can_be_written(tmp_path: Path, odd: dict[str, Any]) -> None:
    pixels = photo().pixels
    write_photo(replace(photo(), **odd), tmp_path / "out.jpg")
    result = read_photo(tmp_path / "out.jpg")
    assert np.abs(result.pixels.astype(int) - pixels).mean() < 12
    assert result.dpi in (None, (200.0, 200.0))


def test_a_picture_cut_short_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    write_photo(photo(), source)
    source.write_bytes(source.read_bytes()[:-30000])
    with pytest.raises(ImageError, match=f"^{source}: is damaged or cut short"):
        restore_by_rows(Restorer(Identity(), tile=64), source, tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
