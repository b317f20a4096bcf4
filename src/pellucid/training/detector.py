"""Fitting a detector (``models.detector``) to a trained network: logistic regression on clean and degraded views."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pellucid.data.augment import retouched
from pellucid.degrade import compose
from pellucid.degrade.base import chance, integer, uniform
from pellucid.imaging import read_photo, shrink
from pellucid.inference import Restorer
from pellucid.inference.detection import VIEW
from pellucid.models.detector import Detector
from pellucid.training.config import Degradations

WEIGHT_DECAY = 3e-3
SMALLEST_SHARE = 0.6  # of a picture's sides, in views of pictures that are judged as a whole
RANGE_OF_SIZES = 1.5  # views of others are shrunk by up to so much: by as much, pictures differ in sharpness


def fit_detector(
    restorer: Restorer,
    photos: Sequence[Path],
    degrade: Degradations,
    *,
    decoys: Degradations | None = None,
    views: int = 6,
    seed: int = 0,
) -> Detector:
    """Find what tells degraded photos from clean ones in the features of a network.

    Each view is seen both ways, after a change of tone such as people make: faded blacks are no haze. Degradations
    that leave some pictures as they are should not be among those given.

    Args:
        restorer: of the network, which must have ``encode``.
        photos: clean ones, not those by which the result is to be judged.
        degrade: what ``compose`` takes.
        decoys: the same, of what is done to both: what looks degraded and is not.
        views: from each photo.
        seed: of views and degradations.
    """
    degradation, decoy, rng = compose(degrade), compose(decoys or {}), torch.Generator().manual_seed(seed)
    features: list[Tensor] = []
    for path in photos:
        pixels = read_photo(path).pixels
        for _ in range(views):
            clean = retouched(_view(pixels, restorer.working_side, rng), rng)
            clean = decoy.apply(clean, [decoy.sample(rng)])
            degraded = degradation.apply(clean, [degradation.sample(rng)])
            features += [restorer.features(view[0].permute(1, 2, 0).numpy()) for view in (clean, degraded)]
    labels = torch.tensor([0.0, 1.0]).repeat(len(features) // 2)
    return _regress(torch.cat(features), labels)


def _view(pixels: NDArray[Any], working_side: int | None, rng: torch.Generator) -> Tensor:
    """Some part of a picture (H, W, C) as the detector may come to see it, (1, C, h, w)."""
    height, width = pixels.shape[:2]
    if working_side:
        tall, wide = (round(side * uniform(rng, SMALLEST_SHARE, 1.0)) for side in (height, width))
    else:
        tall = wide = min(round(VIEW * uniform(rng, 1.0, RANGE_OF_SIZES)), height, width)
    top, left = integer(rng, 0, height - tall), integer(rng, 0, width - wide)
    view = torch.from_numpy(shrink(pixels[top : top + tall, left : left + wide], working_side or VIEW))
    view = view.permute(2, 0, 1)[None]
    return view.flip(3) if chance(rng, 0.5) else view


def _regress(features: Tensor, labels: Tensor) -> Detector:
    """Logistic regression on features (N, F) that are brought to the same scale, which the result undoes."""
    features = features.double()
    mean, scale = features.mean(0), features.std(0) + 1e-6
    scaled = (features - mean) / scale
    weight = torch.zeros(features.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        error = F.binary_cross_entropy_with_logits(scaled @ weight + bias, labels.double())
        total = error + WEIGHT_DECAY * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        weight = weight / scale
        return Detector(weight.float(), (bias - mean @ weight).float())
