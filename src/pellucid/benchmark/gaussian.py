"""Gaussian colour denoising, as the literature tests it.

For each clean picture: noise from NumPy's legacy generator, seeded 0 before each image, added as floats
and not clipped; the output clipped and rounded to 8 bits; PSNR over all pixels and channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ConfigError
from pellucid.imaging import find_pictures, read_photo, to_depth
from pellucid.inference import Restorer
from pellucid.metrics import psnr, ssim


@dataclass(frozen=True, kw_only=True)
class GaussianRow:
    """Means over a folder at one noise level: PSNR in dB and SSIM, of the noisy input and of the output."""

    folder: str
    sigma: float
    images: int
    noisy_psnr: float
    noisy_ssim: float
    psnr: float
    ssim: float


def add_test_noise(clean: NDArray[np.uint8], sigma: float) -> NDArray[np.float32]:
    """The benchmark's noisy input for a clean uint8 picture, floats around [0, 1]."""
    legacy = np.random.RandomState(0)
    noise = legacy.normal(0, sigma / 255, clean.shape)
    return (clean / 255 + noise).astype(np.float32)


def evaluate_gaussian(
    folders: Sequence[Path],
    sigmas: Sequence[float],
    restorer: Restorer,
    *,
    on_image: Callable[[], None] | None = None,
) -> Iterator[GaussianRow]:
    """Test a denoiser on folders of clean pictures.

    Args:
        folders: each gives one row for each of ``sigmas``.
        sigmas: noise levels, on the scale of 0-255.
        restorer: the network under test, and how it is run.
        on_image: called after each picture.

    Raises:
        ConfigError: a folder that does not exist or holds no picture.
        ImageError: a picture that cannot be read.
    """
    for folder in folders:
        paths = find_pictures(folder)
        if not paths:
            raise ConfigError(f"{folder}: no such folder, or no picture in it")
        for sigma in sigmas:
            scores: list[tuple[float, ...]] = []
            for path in paths:
                clean = to_depth(read_photo(path).pixels, np.uint8)
                noisy = add_test_noise(clean, sigma)
                restored = to_depth(restorer.restore_array(noisy), np.uint8)
                seen = to_depth(noisy, np.uint8)
                scores.append((psnr(seen, clean), ssim(seen, clean), psnr(restored, clean), ssim(restored, clean)))
                if on_image:
                    on_image()
            means = np.mean(scores, axis=0).tolist()
            yield GaussianRow(
                folder=folder.name,
                sigma=sigma,
                images=len(paths),
                noisy_psnr=means[0],
                noisy_ssim=means[1],
                psnr=means[2],
                ssim=means[3],
            )
