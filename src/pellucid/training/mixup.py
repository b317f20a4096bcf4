"""MixUp for restoration."""

import random

from torch import Tensor


def mixup(degraded: Tensor, clean: Tensor, *, alpha: float, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Blend each pair of a batch with another, or leave the batch alone, with equal chances (Zhang et al. 2018).

    Args:
        degraded, clean: (B, C, H, W); both are blended alike.
        alpha: a pair's own share λ comes from Beta(alpha, alpha); Restormer takes 1.2 for denoising.
        rng: decides.
    """
    if len(clean) < 2 or rng.random() < 0.5:
        return degraded, clean
    share = rng.betavariate(alpha, alpha)
    order = rng.sample(range(len(clean)), len(clean))
    return share * degraded + (1 - share) * degraded[order], share * clean + (1 - share) * clean[order]
