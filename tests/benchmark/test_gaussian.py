from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.benchmark.gaussian import add_test_noise, evaluate_gaussian
from pellucid.errors import ConfigError
from pellucid.inference import Restorer
from pellucid.metrics import psnr

from conftest import Identity


def test_noise_is_the_literatures() -> None:
    clean = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    np.random.seed(seed=0)  # noqa: NPY002, the literature's own spelling
    expected = np.float32(clean / 255.0) + np.random.normal(0, 25 / 255.0, clean.shape)  # noqa: NPY002
    np.testing.assert_allclose(add_test_noise(clean, 25), expected, atol=1e-6)


def test_the_identity_scores_what_the_noise_does(tmp_path: Path) -> None:
    pictures = [np.random.default_rng(seed).integers(60, 196, (40, 48, 3), np.uint8) for seed in range(3)]
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    low, high = evaluate_gaussian([tmp_path], [15, 50], Restorer(Identity(), tile="off"))
    assert (low.folder, low.images, low.sigma, high.sigma) == (tmp_path.name, 3, 15, 50)
    assert low.psnr == low.noisy_psnr
    assert low.psnr == pytest.approx(20 * np.log10(255 / 15), abs=0.2)
    noisy = [np.rint(add_test_noise(p, 15).clip(0, 1) * 255).astype(np.uint8) for p in pictures]
    assert low.noisy_psnr == pytest.approx(np.mean([psnr(n, p) for n, p in zip(noisy, pictures, strict=True)]))


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no picture"):
        list(evaluate_gaussian([tmp_path], [15], Restorer(Identity(), tile="off")))
