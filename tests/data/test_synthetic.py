from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.data import PhotoCache, Prefetcher, SyntheticPairs
from pellucid.data.augment import SYMMETRIES, symmetry
from pellucid.degrade import compose
from pellucid.degrade.noise import GaussianNoise
from pellucid.errors import ConfigError

SIZES = ((40, 50), (33, 32), (90, 60))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoCache:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    paths = [folder / f"{height}x{width}.png" for height, width in SIZES]
    for path, size in zip(paths, SIZES, strict=True):
        Image.fromarray(rng.integers(256, size=(*size, 3), dtype=np.uint8)).save(path)
    return PhotoCache(paths, 1 << 30)


def test_a_sample_depends_on_seed_and_index_alone(photos: PhotoCache) -> None:
    source = SyntheticPairs(photos, GaussianNoise(), seed=3)
    degraded, clean = source.batch(range(8), 32)
    assert degraded.shape == clean.shape == (8, 3, 32, 32)
    assert degraded.dtype == clean.dtype == torch.float32
    halves = [SyntheticPairs(photos, GaussianNoise(), seed=3).batch(half, 32) for half in ([4, 5, 6, 7], [0, 1, 2, 3])]
    assert torch.equal(degraded, torch.cat([halves[1][0], halves[0][0]]))
    assert torch.equal(clean, torch.cat([halves[1][1], halves[0][1]]))
    assert not torch.equal(clean, SyntheticPairs(photos, GaussianNoise(), seed=4).batch(range(8), 32)[1])
    assert not torch.equal(clean[0], clean[1])


def test_threads_change_nothing(photos: PhotoCache) -> None:
    requests = [(range(8 * i, 8 * i + 8), 32) for i in range(12)]
    threaded = Prefetcher(SyntheticPairs(PhotoCache(photos.paths, 10_000), GaussianNoise()), requests, workers=4)
    with closing(threaded):
        inline = Prefetcher(SyntheticPairs(photos, GaussianNoise()), requests)
        for one, other in zip(threaded, inline, strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])


def test_the_noise_is_the_degradation_s(photos: PhotoCache) -> None:
    degraded, clean = SyntheticPairs(photos, GaussianNoise(low=25, high=25)).batch(range(16), 32)
    assert (degraded - clean).std().item() * 255 == pytest.approx(25, rel=0.02)


def test_crops_come_from_the_photos(photos: PhotoCache) -> None:
    _, clean = SyntheticPairs(photos, GaussianNoise()).batch(range(6), 32)
    windows = {
        symmetry(photo[:, y : y + 32, x : x + 32], i).numpy().tobytes()
        for photo in photos
        for y in range(photo.shape[1] - 31)
        for x in range(photo.shape[2] - 31)
        for i in range(SYMMETRIES)
    }
    assert all((crop * 255).round().to(torch.uint8).numpy().tobytes() in windows for crop in clean)


def test_some_crops_lose_their_colour_and_the_others_are_as_they_were(photos: PhotoCache) -> None:
    coloured = SyntheticPairs(photos, GaussianNoise(low=0, high=0)).batch(range(200), 32)[1]
    degraded, clean = SyntheticPairs(photos, GaussianNoise(low=0, high=0), desaturate=0.3).batch(range(200), 32)
    is_grey = (clean == clean[:, :1]).all(dim=(1, 2, 3))
    assert is_grey.float().mean().item() == pytest.approx(0.3, abs=0.1)
    assert torch.equal(clean[~is_grey], coloured[~is_grey])
    luma = coloured[is_grey] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close(clean[is_grey], luma.sum(1, keepdim=True).expand(-1, 3, -1, -1))
    assert torch.equal(degraded, clean)


def test_some_crops_are_retouched_before_they_are_degraded(photos: PhotoCache) -> None:
    plain = SyntheticPairs(photos, GaussianNoise(low=0, high=0)).batch(range(100), 32)[1]
    degraded, clean = SyntheticPairs(photos, GaussianNoise(low=0, high=0), retouch=0.4).batch(range(100), 32)
    changed = (clean != plain).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.4, abs=0.15)
    assert torch.equal(degraded, clean)
    assert 0 <= clean.min() < clean.max() <= 1


def test_decoys_belong_to_what_is_to_come_out(photos: PhotoCache) -> None:
    plain = SyntheticPairs(photos, GaussianNoise(low=0, high=0)).batch(range(100), 32)[1]
    decoys = compose({"defocus": {"probability": 0.4, "radius": (3.0, 4.0)}})
    degraded, clean = SyntheticPairs(photos, GaussianNoise(low=0, high=0), decoys=decoys).batch(range(100), 32)
    changed = (clean != plain).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.4, abs=0.15)
    assert torch.equal(degraded, clean)


def test_large_photos_are_chosen_more_often(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 10, np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.full((24, 8), 20, np.uint8)).save(tmp_path / "large.png")
    photos = PhotoCache([tmp_path / "small.png", tmp_path / "large.png"], 1 << 20)
    _, clean = SyntheticPairs(photos, GaussianNoise()).batch(range(1000), 1)
    assert ((clean[:, 0, 0, 0] * 255).round() == 20).float().mean().item() == pytest.approx(0.75, abs=0.05)


def test_length_and_channels(photos: PhotoCache) -> None:
    source = SyntheticPairs(photos, GaussianNoise())
    assert (len(source), source.channels) == (3, (3, 3))
    grey = SyntheticPairs(PhotoCache(photos.paths, 0, grey=True), GaussianNoise())
    assert grey.channels == (1, 1)
    assert grey.batch([0, 1], 16)[0].shape == (2, 1, 16, 16)


def test_a_patch_that_does_not_fit_is_an_error_before_training_and_in_it(photos: PhotoCache) -> None:
    source = SyntheticPairs(photos, GaussianNoise())
    source.check_patch(32)
    for look in (lambda: source.check_patch(48), lambda: source.batch(range(50), 48)):
        with pytest.raises(ConfigError, match=r"(40x50|33x32)\.png: (50x40|32x33) is smaller than a patch of 48"):
            look()


def test_shrunk_crops_show_more_of_the_photo(tmp_path: Path) -> None:
    """A crop of a ramp spans as many grey levels as it shows columns."""
    Image.fromarray(np.tile(np.arange(128, dtype=np.uint8), (128, 1))).save(tmp_path / "ramp.png")
    ramp = PhotoCache([tmp_path / "ramp.png"], 1 << 20)
    _, crops = SyntheticPairs(ramp, GaussianNoise(low=0, high=0), shrink=8).batch(range(200), 32)
    spans = ((crops.amax((1, 2, 3)) - crops.amin((1, 2, 3))) * 255 / 31).round().tolist()
    assert {*spans} == {1.0, 2.0, 3.0, 4.0}  # 128 columns hold four patches
    assert 70 < spans.count(1.0) < 130
