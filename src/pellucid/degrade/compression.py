"""What lossy files lose, by the real codecs."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform
from pellucid.errors import ConfigError, ImageError

_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}


@dataclass(frozen=True, kw_only=True)
class JpegParams:
    """One image's file.

    Attributes:
        quality: 1 to 100, libjpeg's.
        subsampling: of chroma: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.

    Raises:
        ConfigError: beyond these.
    """

    quality: int
    subsampling: int


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """JPEG by libjpeg, on the CPU: about a millisecond for 128 by 128 pixels.

    Attributes:
        quality: range of libjpeg's quality, both ends included.
        subsampling: range of chroma subsampling: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
    """

    quality: tuple[int, int] = (20, 95)
    subsampling: tuple[int, int] = (0, 2)

    def __post_init__(self) -> None:
        _check_range("quality", self.quality, 1, 100)
        _check_range("subsampling", self.subsampling, 0, 2)

    def sample(self, rng: torch.Generator) -> JpegParams:
        """Draw the parameters for one image."""
        return JpegParams(quality=integer(rng, *self.quality), subsampling=integer(rng, *self.subsampling))

    def apply(self, image: Tensor, params: Sequence[JpegParams]) -> Tensor:
        """Write and read back (B, C, H, W) in [0, 1], clipped and rounded to 8 bits.

        Raises:
            ImageError: a side is beyond what the format can hold.
        """
        files = zip(image, params, strict=True)
        return torch.stack([_through(one, "JPEG", quality=p.quality, subsampling=p.subsampling) for one, p in files])


def filed(image: Tensor, files: Sequence[JpegParams | None]) -> Tensor:
    """Pictures (B, C, H, W) in [0, 1], each as its JPEG gives it back, or as it is where there is none."""
    written = [Jpeg().apply(one[None], [file])[0] if file else one for one, file in zip(image, files, strict=True)]
    return torch.stack(written)


@dataclass(frozen=True, kw_only=True)
class JpegTwiceParams:
    """One image's two files.

    Attributes:
        first, second: the files.
        down, across: how far the first file's blocks lie from the second's, in pixels, 0 to 7.
        resize: side of the first file's picture; the second's is 1.
    """

    first: JpegParams
    second: JpegParams
    down: int
    across: int
    resize: float


@dataclass(frozen=True, kw_only=True)
class JpegTwice:
    """JPEG of a JPEG that was cropped or resized in between: blocks upon blocks, as the web has them.

    Attributes:
        quality: range of the first file's quality, both ends included.
        again: range of the second's.
        resizes: probability that the first was of another size.
        resize: range of its side, the second's being 1.
    """

    quality: tuple[int, int] = (10, 90)
    again: tuple[int, int] = (40, 95)
    resizes: float = 0.5
    resize: tuple[float, float] = (0.9, 1.5)

    def __post_init__(self) -> None:
        _check_range("quality", self.quality, 1, 100)
        _check_range("again", self.again, 1, 100)
        if min(self.resize) <= 0:
            raise ConfigError(f"resize must be above 0, not {self.resize}")

    def sample(self, rng: torch.Generator) -> JpegTwiceParams:
        """Draw the parameters for one image."""
        return JpegTwiceParams(
            first=Jpeg(quality=self.quality).sample(rng),
            second=Jpeg(quality=self.again).sample(rng),
            down=integer(rng, 0, 7),
            across=integer(rng, 0, 7),
            resize=log_uniform(rng, *self.resize) if chance(rng, self.resizes) else 1.0,
        )

    def apply(self, image: Tensor, params: Sequence[JpegTwiceParams]) -> Tensor:
        """Write and read back (B, C, H, W) in [0, 1] twice, clipped and rounded to 8 bits.

        Raises:
            ImageError: a side is beyond what the format can hold.
        """
        before = [_before(one[None], p)[0] for one, p in zip(image, params, strict=True)]
        return Jpeg().apply(torch.stack(before), [p.second for p in params])


def _before(image: Tensor, drawn: JpegTwiceParams) -> Tensor:
    """A picture (1, C, H, W) as cut from its first file."""
    height, width = image.shape[2:]
    margin = (drawn.across, 0, drawn.down, 0)
    larger = F.pad(image.float(), margin, mode="replicate")
    size, other = larger.shape[2:], [max(1, round(n * drawn.resize)) for n in larger.shape[2:]]
    if drawn.resize != 1:
        larger = F.interpolate(larger, other, mode="bicubic", antialias=True)
    larger = Jpeg().apply(larger, [drawn.first])
    if drawn.resize != 1:
        larger = F.interpolate(larger, size, mode="bicubic", antialias=True)
    return larger[:, :, -height:, -width:].to(image.dtype)


@dataclass(frozen=True, kw_only=True)
class WebPParams:
    """One image's file.

    Attributes:
        quality: 0 to 100, libwebp's.
    """

    quality: int


@dataclass(frozen=True, kw_only=True)
class WebP:
    """Lossy WebP by libwebp, on the CPU: a few milliseconds for 128 by 128 pixels.

    Attributes:
        quality: range of libwebp's quality, both ends included.

    Raises:
        ConfigError: beyond 0-100.
    """

    quality: tuple[int, int] = (10, 95)

    def __post_init__(self) -> None:
        _check_range("quality", self.quality, 0, 100)

    def sample(self, rng: torch.Generator) -> WebPParams:
        """Draw the parameters for one image."""
        return WebPParams(quality=integer(rng, *self.quality))

    def apply(self, image: Tensor, params: Sequence[WebPParams]) -> Tensor:
        """Write and read back (B, C, H, W) in [0, 1], clipped and rounded to 8 bits.

        Raises:
            ImageError: a side is beyond what the format can hold.
        """
        # Method 1 of 0-6 searches least but still predicts blocks; more of it costs time and changes the look little.
        files = zip(image, params, strict=True)
        return torch.stack([_through(one, "WEBP", quality=p.quality, method=1) for one, p in files])


def _through(image: Tensor, codec: str, **options: Any) -> Tensor:
    """One picture (C, H, W) in [0, 1], as its file gives it back."""
    longest = max(image.shape)
    if longest > _LONGEST_SIDE[codec]:
        raise ImageError(f"a side of {longest} is more than {codec}'s {_LONGEST_SIDE[codec]}; cut the picture first")
    mode = "L" if image.shape[0] == 1 else "RGB"
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    file = BytesIO()
    Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels).save(file, codec, **options)
    with Image.open(file) as reopened:
        decoded = torch.from_numpy(np.array(reopened.convert(mode))).to(image.device, image.dtype) / 255
    return decoded[None] if mode == "L" else decoded.permute(2, 0, 1)


def _check_range(name: str, given: tuple[int, int], low: int, high: int) -> None:
    if min(given) < low or max(given) > high:
        raise ConfigError(f"{name} must be from {low} to {high}, not {given}")
