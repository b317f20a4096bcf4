"""How near a restored picture comes to the true one, under named protocols."""

from pellucid.metrics.psnr import psnr
from pellucid.metrics.ssim import ssim

__all__ = ["psnr", "ssim"]
