"""What training minimises: each a mean over (B, C, H, W) of how far a prediction is from its target."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]

CHARBONNIER_EPS = 1e-3
PSNR_EPS = 1 / 255
CAUCHY_EPS = 5 / 255


def charbonnier(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of √(d² + ε²), ε = 1e-3: L1, smooth around zero, so outliers weigh less than under L2 (AST §4.1)."""
    return ((prediction - target).square() + CHARBONNIER_EPS**2).sqrt().mean()


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of log(1 + MSE / ε²) over the images, ε one grey level: the error in decibels (HINet, Chen et al. 2021).

    Every image counts the same, however strongly it was degraded; under a grey level of error the curve flattens.
    """
    squared_errors = (prediction - target).square().mean((1, 2, 3))
    return (squared_errors / PSNR_EPS**2).log1p().mean()


def cauchy(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of log(1 + MSE / ε²) over the images, ε five grey levels: ``psnr`` that flattens on both sides.

    An image pulls hardest at an error of ε, 34 dB. What is nearly clean pulls less than by ``psnr``, and what nobody
    could mend, such as a scene behind dense fog, less than by an absolute error (the Lorentzian of Black and Anandan,
    "The robust estimation of multiple motions", 1996).
    """
    squared_errors = (prediction - target).square().mean((1, 2, 3))
    return (squared_errors / CAUCHY_EPS**2).log1p().mean()


def fft(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between unnormalised 2-D spectra: blur loses high frequencies (MIMO-UNet, Cho et al. 2021; weight 0.1)."""
    return (torch.fft.rfft2(prediction) - torch.fft.rfft2(target)).abs().mean()


def edge(prediction: Tensor, target: Tensor) -> Tensor:
    """Charbonnier between Laplacians, for sharp edges (MPRNet, Zamir et al. 2021; weight 0.05)."""
    return charbonnier(_laplacian(prediction), _laplacian(target))


LOSSES: dict[str, Loss] = {
    "charbonnier": charbonnier,
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "psnr": psnr,
    "cauchy": cauchy,
    "fft": fft,
    "edge": edge,
}


def weighted_sum(weights: Mapping[str, float]) -> Loss:
    """The sum of losses by name, each times its weight, computed in float32."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        prediction = prediction.float()
        terms = [weight * LOSSES[name](prediction, target) for name, weight in weights.items()]
        return torch.stack(terms).sum()

    return loss


def _laplacian(image: Tensor) -> Tensor:
    kernel = image.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    channels = image.shape[1]
    return F.conv2d(image, kernel.expand(channels, 1, 3, 3), groups=channels)
