"""The whole thing in one call: a photograph, noise, the restoration, and a picture of before and after."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pellucid.degrade.noise import GaussianNoise, GaussianNoiseParams
from pellucid.errors import ConfigError, ImageError, MissingExtraError
from pellucid.imaging import Photo, check_writable_suffix, read_photo, to_depth, write_photo
from pellucid.inference import Restorer
from pellucid.metrics import psnr, ssim

SIGMA = 25.0
DIVIDER = 3  # pixels


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """Scores against the clean photo (PSNR in dB, SSIM), seconds spent in the network, and the picture's path."""

    picture: Path
    psnr_before: float
    psnr_after: float
    ssim_before: float
    ssim_after: float
    seconds: float


def run_demo(
    restorer: Restorer,
    picture: Path,
    *,
    image: Path | None = None,
    sigma: float = SIGMA,
    seed: int = 0,
    overwrite: bool = False,
) -> DemoResult:
    """Add noise to a photo, restore it, and write before and after side by side.

    The noisy photo is rounded to 8 bits first, as any file would be.

    Args:
        restorer: with a denoiser.
        picture: where to write; its folder is made.
        image: the photo; None takes scikit-image's astronaut (NASA, public domain).
        sigma: of the noise, on the scale of 0-255.
        seed: of the noise.
        overwrite: replace ``picture`` if it exists (but never the photo).

    Raises:
        ImageError: the photo cannot be read, or the picture not written.
        ConfigError: the photo is smaller than 11 pixels a side, too small to score.
        MissingExtraError: no photo is given and scikit-image is not installed.
    """
    _check_picture(picture, image, overwrite)
    photo = _sample_photo() if image is None else read_photo(image)
    clean = to_depth(photo.pixels, np.uint8)
    if min(clean.shape[:2]) < 11:
        raise ConfigError(f"{image}: the demo needs a photo of at least 11 pixels a side")
    noisy = _add_noise(clean, sigma, seed)
    started = time.monotonic()
    restored = restorer.restore_array(noisy)
    seconds = time.monotonic() - started

    write_photo(Photo(pixels=side_by_side(noisy, restored)), picture)
    return DemoResult(
        picture=picture,
        psnr_before=psnr(noisy, clean),
        psnr_after=psnr(restored, clean),
        ssim_before=ssim(noisy, clean),
        ssim_after=ssim(restored, clean),
        seconds=seconds,
    )


def _check_picture(picture: Path, image: Path | None, overwrite: bool) -> None:
    """Refuse, before the work, a picture that could not be written or would cost a file."""
    check_writable_suffix(picture)
    if image is not None and image.exists() and picture.exists() and picture.samefile(image):
        raise ConfigError(f"{picture}: is the photo itself; choose another output")
    if picture.exists() and not overwrite:
        raise ConfigError(f"{picture}: exists already; `overwrite=True` replaces it")
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{picture.parent}: cannot be made ({error.strerror})") from None


def side_by_side(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One (H, W, 3) picture, the left half from before and the right half from after, divided by a white line."""
    before, after = (np.broadcast_to(p, (*p.shape[:2], 3)) for p in (before, after))
    height, width = before.shape[:2]
    middle = width // 2
    canvas = Image.fromarray(np.concatenate([before[:, :middle], after[:, middle:]], axis=1))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((middle - DIVIDER // 2, 0, middle + DIVIDER // 2, height), fill="white")
    font = ImageFont.load_default(max(height / 28, 10))
    edge = height / 50
    for text, x, anchor in (("before", middle - edge, "rd"), ("after", middle + edge, "ld")):
        draw.text((x, height - edge), text, "white", font, anchor, stroke_width=2, stroke_fill="black")
    return np.asarray(canvas)


def _sample_photo() -> Photo:
    try:
        from skimage.data import astronaut  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtraError("The demo's sample photo (give your own as `image`)", "demo") from None
    return Photo(pixels=astronaut())


def _add_noise(clean: NDArray[np.uint8], sigma: float, seed: int) -> NDArray[np.uint8]:
    image = torch.from_numpy(clean).permute(2, 0, 1)[None].float() / 255
    noisy = GaussianNoise().apply(image, [GaussianNoiseParams(sigma=sigma, seed=seed)])
    return to_depth(noisy[0].permute(1, 2, 0).numpy(), np.uint8)
