"""How near a restored picture comes to the true one under named protocols, or to good photographs without one."""

from pellucid.metrics.niqe import PristineModel, fit_pristine, load_pristine, niqe, niqe_pellucid
from pellucid.metrics.protocols import PROTOCOLS
from pellucid.metrics.psnr import psnr
from pellucid.metrics.ssim import ssim

__all__ = [
    "PROTOCOLS",
    "PristineModel",
    "fit_pristine",
    "load_pristine",
    "niqe",
    "niqe_pellucid",
    "psnr",
    "ssim",
]
