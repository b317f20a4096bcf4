from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pellucid.data import Pair, PairedPhotos, pairs
from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import Photo, write_photo

from conftest import picture

ENOUGH = 1 << 30


def write(path: Path, pixels: NDArray[np.generic]) -> Path:
    write_photo(Photo(pixels=pixels), path)
    return path


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Pairs whose targets are their inputs, less 100 in every value; two of them share a target."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    found: list[Pair] = []
    for i in range(9):
        pixels = rng.integers(100, 256, size=(20 + i, 30 - i, 3), dtype=np.uint8)
        given = write(folder / f"{i}_input.png", pixels)
        found.append(Pair(inputs=(given,), target=write(folder / f"{i}_target.png", pixels - np.uint8(100))))
    return [*found, found[-1]]


def test_input_and_target_are_cropped_and_turned_alike(ten: list[Pair]) -> None:
    source = PairedPhotos(ten, budget_bytes=ENOUGH)
    degraded, clean = source.batch(range(40), 16)
    assert degraded.shape == clean.shape == (40, 3, 16, 16)
    torch.testing.assert_close(degraded - clean, torch.full_like(clean, 100 / 255))
    assert len({crop.numpy().tobytes() for crop in clean}) == 40
    assert (len(source), source.channels) == (10, (3, 3))


def test_a_sample_depends_on_seed_and_index_alone(ten: list[Pair]) -> None:
    whole = PairedPhotos(ten, budget_bytes=ENOUGH, seed=3).batch(range(16), 16)
    other = PairedPhotos(ten, budget_bytes=0, seed=3)
    late, early = other.batch(range(8, 16), 16), other.batch(range(8), 16)
    for side in (0, 1):
        assert torch.equal(whole[side], torch.cat([early[side], late[side]]))
    assert not torch.equal(whole[1], PairedPhotos(ten, budget_bytes=ENOUGH, seed=4).batch(range(16), 16)[1])


def test_an_epoch_sees_every_pair_once_and_the_next_in_another_order(tmp_path: Path) -> None:
    found = [
        Pair(inputs=(picture(tmp_path / f"{i}_input.png", i),), target=picture(tmp_path / f"{i}_target.png", i))
        for i in range(12)
    ]
    source = PairedPhotos(found, budget_bytes=ENOUGH)
    values = (source.batch(range(36), 4)[1][:, 0, 0, 0] * 255).round().int().reshape(3, 12).tolist()
    assert all(sorted(epoch) == list(range(12)) for epoch in values)
    assert len({tuple(epoch) for epoch in values}) == 3


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**40), st.integers(0, 2**20))
def test_permutations_are_permutations_and_pure(count: int, seed: int, epoch: int) -> None:
    order = pairs._permutation(count, seed, epoch)
    assert sorted(order.tolist()) == list(range(count))
    pairs._permutation.cache_clear()
    assert torch.equal(order, pairs._permutation(count, seed, epoch))


def test_two_views_are_stacked_and_sixteen_bits_kept(tmp_path: Path) -> None:
    left = np.random.default_rng(0).integers(65536, size=(9, 9, 3), dtype=np.uint16)
    views = write(tmp_path / "l.png", left), write(tmp_path / "r.tif", 65535 - left)
    pair = Pair(inputs=views, target=write(tmp_path / "t.png", left))
    source = PairedPhotos([pair], budget_bytes=ENOUGH)
    degraded, clean = source.batch([0, 1], 8)
    assert source.channels == (6, 3)
    assert degraded.shape == (2, 6, 8, 8)
    assert torch.equal(degraded[:, :3], clean)
    torch.testing.assert_close(degraded[:, 3:], 1 - clean)
    assert ((clean * 65535).round() % 257 != 0).any()


def test_grey_pairs_have_one_channel(ten: list[Pair]) -> None:
    source = PairedPhotos(ten, budget_bytes=ENOUGH, grey=True)
    assert source.channels == (1, 1)
    assert source.batch([0], 16)[0].shape == (1, 1, 16, 16)


def test_sizes_that_differ_are_an_error_that_names_both(tmp_path: Path) -> None:
    target = picture(tmp_path / "t.png")
    pair = Pair(inputs=(write(tmp_path / "i.png", np.zeros((16, 12, 3), np.uint8)),), target=target)
    source = PairedPhotos([pair], budget_bytes=ENOUGH)
    for look in (lambda: source.check_patch(8), lambda: source.batch([0], 8)):
        with pytest.raises(ConfigError, match=r"i\.png is 12x16 but its target .*t\.png is 16x12"):
            look()


def test_a_patch_that_does_not_fit_is_an_error_before_training_and_in_it(ten: list[Pair]) -> None:
    source = PairedPhotos(ten, budget_bytes=ENOUGH)
    source.check_patch(20)
    for look in (lambda: source.check_patch(22), lambda: source.batch(range(10), 22)):
        with pytest.raises(ConfigError, match=r"_target\.png: \d+x\d+ is smaller than a patch of 22"):
            look()


def test_of_very_many_pairs_some_are_checked(ten: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_PAIRS_CHECKED", 3)
    gone = Pair(inputs=(Path("gone.png"),), target=Path("gone.png"))
    PairedPhotos([ten[0], gone, ten[1], gone, ten[2]], budget_bytes=0).check_patch(16)


def test_a_picture_damaged_meanwhile_is_named(tmp_path: Path) -> None:
    pair = Pair(inputs=(picture(tmp_path / "i.png"),), target=picture(tmp_path / "t.png"))
    source = PairedPhotos([pair], budget_bytes=0)
    source.batch([0], 8)
    pair.target.write_bytes(pair.target.read_bytes()[:-30])
    with pytest.raises(ImageError, match=r"t\.png: is damaged"):
        source.batch([1], 8)
