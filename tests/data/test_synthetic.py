from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.data.augment import SYMMETRIES, symmetry
from pellucid.data.synthetic import SyntheticPairs, load_folder
from pellucid.degrade import GaussianNoise
from pellucid.errors import ConfigError, ImageError


def pairs(seed: int = 0) -> SyntheticPairs:
    photos = [torch.randint(256, (3, 40, 50), dtype=torch.uint8), torch.randint(256, (3, 33, 32), dtype=torch.uint8)]
    return SyntheticPairs(photos=photos, degradation=GaussianNoise(), patch=32, batch=4, seed=seed)


def test_the_eight_symmetries_are_eight() -> None:
    image = torch.arange(9).reshape(3, 3)
    assert len({tuple(symmetry(image, i).flatten().tolist()) for i in range(SYMMETRIES)}) == SYMMETRIES


def test_a_batch_depends_on_its_step_alone() -> None:
    stream = pairs()
    degraded, clean = stream(7)
    stream(3)
    again = stream(7)
    assert torch.equal(degraded, again[0])
    assert torch.equal(clean, again[1])
    assert not torch.equal(clean, stream(8)[1])


def test_crops_come_from_the_photos() -> None:
    stream = pairs()
    _, clean = stream(0)
    assert clean.shape == (4, 3, 32, 32)
    windows = [
        symmetry(photo[:, y : y + 32, x : x + 32], i)
        for photo in stream.photos
        for y in range(photo.shape[1] - 31)
        for x in range(photo.shape[2] - 31)
        for i in range(SYMMETRIES)
    ]
    for crop in (clean * 255).round().to(torch.uint8):
        assert any(torch.equal(crop, window) for window in windows)


def test_a_folder_is_read_in_order_grey_as_colour(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    Image.fromarray(np.full((8, 9), 7, np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(np.full((8, 9, 3), 9, np.uint8)).save(tmp_path / "sub" / "a.png")
    (tmp_path / "notes.txt").write_text("no picture")
    photos = load_folder(tmp_path)
    assert [tuple(photo.shape) for photo in photos] == [(3, 8, 9)] * 2
    assert [int(photo.max()) for photo in photos] == [7, 9]


def test_unusable_folders_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        load_folder(tmp_path / "missing")
    with pytest.raises(ConfigError, match="no picture"):
        load_folder(tmp_path)
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(ConfigError, match="9x8 is smaller than a patch of 16"):
        load_folder(tmp_path, smallest=16)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageError, match="text"):
        load_folder(tmp_path)
