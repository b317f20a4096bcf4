"""What is compared under each protocol's name: which channels, and rounded how.

=============  ========================================  ==============================================
protocol       what is compared                          who reports it
=============  ========================================  ==============================================
`rgb`          all pixels and channels                   Gaussian and real denoising (CBSD68, Kodak,
                                                         SIDD), raindrops (AGAN), haze (Dense-Haze)
`matlab-y`     luma of MATLAB's rgb2ycbcr, rounded       deraining (SPAD, Rain100, Test1200)
               to the pictures' integers
`skimage-rgb`  scikit-image with `channel_axis` and      defocus (DPDD, on its 16 bits)
               the full range of the dtype
`y-float`      the same luma, not rounded                many Python evaluations of deraining
=============  ========================================  ==============================================

`rgb` and `skimage-rgb` are one definition, of PSNR and of SSIM (7×7 uniform window, sample covariance);
a table says by the name which paper it follows. `y-float` reads higher than `matlab-y`, for it is spared
the rounding error: 1 dB and more at 51 dB, about 0.3 dB at 44 dB. Its figures must not stand beside deraining's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ConfigError, ImageError, did_you_mean

PROTOCOLS = ("rgb", "matlab-y", "skimage-rgb", "y-float")
LUMA_PROTOCOLS = ("matlab-y", "y-float")
Pixels = NDArray[np.float64]


def check_protocol(protocol: str) -> None:
    """Refuse a name that is not one of ``PROTOCOLS``.

    Raises:
        ConfigError: an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"Unknown protocol '{protocol}'.{did_you_mean(protocol, PROTOCOLS)}")


def comparable(a: NDArray[Any], b: NDArray[Any], protocol: str) -> tuple[Pixels, Pixels, int]:
    """The two pictures as the protocol compares them, float64 (H, W, C), and their data range: 255 or 65535.

    Raises:
        ConfigError: an unknown protocol.
        ImageError: not uint8 or uint16, of different depths or shapes, not (H, W) or (H, W, 1 or 3), or grey
            under a protocol of luma.
    """
    check_protocol(protocol)
    for picture in (a, b):
        check_picture(picture)
    if a.dtype != b.dtype:
        raise ImageError(f"The pictures differ in depth: {a.dtype} and {b.dtype}; convert one first")
    if a.shape != b.shape:
        raise ImageError(f"The pictures differ in size: {a.shape} and {b.shape}")
    x, y = (np.atleast_3d(picture).astype(np.float64) for picture in (a, b))
    peak = int(np.iinfo(a.dtype).max)
    if protocol not in LUMA_PROTOCOLS:
        return x, y, peak
    if x.shape[2] != 3:
        raise ImageError(f"Protocol '{protocol}' compares RGB pictures; for grey ones use 'rgb'")
    lumas = [luma(picture, peak) for picture in (x, y)]
    if protocol == "matlab-y":
        lumas = [np.floor(picture + 0.5) for picture in lumas]
    return lumas[0], lumas[1], peak


def check_picture(picture: NDArray[Any]) -> None:
    """Refuse what no metric takes.

    Raises:
        ImageError: not uint8 or uint16, or not (H, W) or (H, W, 1 or 3).
    """
    shaped = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (1, 3))
    if picture.dtype.name not in ("uint8", "uint16") or not shaped or not picture.size:
        raise ImageError(
            f"Metrics take uint8 or uint16 pictures, (H, W) or (H, W, 1 or 3), not {picture.dtype} {picture.shape}"
        )


def luma(rgb: Pixels, peak: int) -> Pixels:
    """BT.601 luma (H, W, 1) of (H, W, 3) in [0, peak], as MATLAB's rgb2ycbcr: 16/255 to 235/255 of the peak."""
    # whole numbers up to the division, so that luma half-way between integers is exactly there, and rounds up
    weighted = rgb @ np.array([65481.0, 128553.0, 24966.0])
    return (weighted / 255000 + 16 * peak / 255)[:, :, None]
