from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from pellucid.data import PhotoCache, clean_photos, photo_cache
from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import Photo, write_photo

from conftest import picture

ENOUGH = 1 << 30


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What has been decoded, in order."""
    paths: list[Path] = []
    real = photo_cache.read_photo

    def counting(path: Path) -> Photo:
        paths.append(path)
        return real(path)

    monkeypatch.setattr(photo_cache, "read_photo", counting)
    return paths


def test_a_folder_is_listed_in_order(tmp_path: Path) -> None:
    expected = [picture(tmp_path / "b.png"), picture(tmp_path / "sub" / "a.png")]
    (tmp_path / "notes.txt").write_text("no picture")
    assert clean_photos(tmp_path) == expected


def test_unusable_folders_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        clean_photos(tmp_path / "missing")
    with pytest.raises(ConfigError, match="no picture"):
        clean_photos(tmp_path)


def cache_of(path: Path, pixels: NDArray[np.generic], **options: bool) -> PhotoCache:
    write_photo(Photo(pixels=pixels), path)
    return PhotoCache([path], ENOUGH, **options)


def test_colour_is_kept_and_alpha_dropped(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(5, 7, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo = PhotoCache([tmp_path / "a.png"], ENOUGH)[0]
    assert photo.dtype == torch.uint8
    assert np.array_equal(photo.permute(1, 2, 0).numpy(), pixels[:, :, :3])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.filterwarnings("error")
def test_sixteen_bits_are_kept(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(65536, size=(5, 7, channels), dtype=np.uint16)
    cache = cache_of(tmp_path / f"a{suffix}", pixels)
    assert cache[0].dtype == torch.uint16
    assert cache.shape(0) == tuple(cache[0].shape) == (3, 5, 7)
    assert np.array_equal(cache[0].permute(1, 2, 0).numpy(), np.broadcast_to(pixels, (5, 7, 3)))


def test_float_pictures_become_sixteen_bits_and_infinite_ones_an_error(tmp_path: Path) -> None:
    pixels = np.array([0.0, 0.5, 1.0, 1.5], np.float32).reshape(2, 2, 1)
    assert cache_of(tmp_path / "a.tif", pixels)[0][0].flatten().tolist() == [0, 32768, 65535, 65535]
    with pytest.raises(ImageError, match=r"b\.tif: has pixels that are not finite"):
        cache_of(tmp_path / "b.tif", np.full((2, 2, 1), np.inf, np.float32))[0]


def test_grey_is_the_luma_and_grey_files_expand(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    assert cache_of(tmp_path / "a.png", colours, grey=True)[0].flatten().tolist() == [76, 150, 29, 9]
    grey = cache_of(tmp_path / "b.png", colours[:, :, :1])
    assert grey[0].shape == (3, 1, 4)
    assert (grey[0] == grey[0][:1]).all()
    assert cache_of(tmp_path / "c.png", colours[:, :, :1], grey=True).shape(0) == (1, 1, 4)


def test_shapes_are_upright_and_come_from_the_header(tmp_path: Path, decoded: list[Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    names = ["a.png", "b.jpg", "c.tif", "d.webp"]
    for name in names:
        Image.new("RGB", (16, 12)).save(tmp_path / name, exif=exif)
    cache = PhotoCache([tmp_path / name for name in names], ENOUGH)
    assert [cache.shape(i) for i in range(4)] == [(3, 16, 12)] * 4
    assert not decoded
    assert [tuple(cache[i].shape) for i in range(4)] == [(3, 16, 12)] * 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_are_shrunk_to_the_longer_side_asked_for(tmp_path: Path, dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(np.iinfo(dtype).max, size=(20, 32, 3)).astype(dtype)
    write_photo(Photo(pixels=pixels), tmp_path / "a.png")
    small, whole = (PhotoCache([tmp_path / "a.png"], ENOUGH, longest=side) for side in (8, 32))
    assert small.shape(0) == tuple(small[0].shape) == (3, 5, 8)
    means = torch.from_numpy(pixels.astype(np.float32)).reshape(5, 4, 8, 4, 3).mean((1, 3)).permute(2, 0, 1)
    torch.testing.assert_close(small[0].float(), means, atol=0.51, rtol=1e-6)
    assert small[0].dtype == whole[0].dtype
    assert np.array_equal(whole[0].permute(1, 2, 0).numpy(), pixels)


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    path = picture(tmp_path / "cut.png")
    path.write_bytes(path.read_bytes()[:-30])
    (tmp_path / "text.png").write_text("no picture")
    cache = PhotoCache([path, tmp_path / "text.png"], ENOUGH)
    assert cache.shape(0) == (3, 12, 16)
    for look in (lambda: cache[0], lambda: cache[1], lambda: cache.shape(1)):
        with pytest.raises(ImageError, match=r"(cut|text)\.png"):
            look()


def test_the_budget_is_spent_on_those_that_come_first(tmp_path: Path, decoded: list[Path]) -> None:
    paths = [picture(tmp_path / f"{i}.png", value=i) for i in range(4)]
    cache = PhotoCache(paths, budget_bytes=2 * 3 * 12 * 16)
    for _ in range(3):
        assert [int(cache[i].max()) for i in (3, 1, 0, 2)] == [3, 1, 0, 2]
    assert [decoded.count(path) for path in paths] == [3, 1, 3, 1]


def test_grey_files_take_the_memory_of_one_channel(tmp_path: Path, decoded: list[Path]) -> None:
    cache = cache_of(tmp_path / "a.png", np.zeros((12, 16, 1), np.uint8))
    small = PhotoCache(cache.paths, budget_bytes=12 * 16)
    assert torch.equal(small[0], small[0])
    assert len(decoded) == 1


def test_threads_share_it(tmp_path: Path, decoded: list[Path]) -> None:
    paths = [picture(tmp_path / f"{i}.png", value=i) for i in range(20)]
    cache = PhotoCache(paths, budget_bytes=10 * 3 * 12 * 16)
    asked = np.random.default_rng(0).integers(20, size=400).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: int(cache[i].max()), asked)) == asked
    decoded.clear()
    for i in range(20):
        cache[i]
    assert len(decoded) == 10
