"""MixUp for restoration."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pellucid.data.source import Source

_MIXED = 2  # so that its draws share no seed with a sample's own


class MixUp:
    """A ``Source`` that blends every other sample of another with a third one, input and target alike.

    A blended sample keeps the share λ of itself, drawn from Beta(α, α) (Zhang et al. 2018). Which samples, with which
    and by how much depends on (seed, index) alone, so a batch may be split in any way.
    """

    def __init__(self, source: Source, alpha: float, seed: int = 0) -> None:
        """Blend the samples of a source.

        Args:
            source: of the samples.
            alpha: of the Beta distribution; Restormer takes 1.2 for denoising.
            seed: decides; not negative.
        """
        self._source, self._alpha, self._seed = source, alpha, seed

    def __len__(self) -> int:
        """As the source's."""
        return len(self._source)

    @property
    def channels(self) -> tuple[int, int]:
        """As the source's."""
        return self._source.channels

    def check_patch(self, patch: int) -> None:
        """See ``Source``."""
        self._source.check_patch(patch)

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        """See ``Source``."""
        drawn = [self._draw(index) for index in indices]
        blended = [i for i, (share, _) in enumerate(drawn) if share < 1]
        degraded, clean = self._source.batch(indices, patch)
        if not blended:
            return degraded, clean
        partners = self._source.batch([drawn[i][1] for i in blended], patch)
        share = torch.tensor([drawn[i][0] for i in blended], device=clean.device)[:, None, None, None]
        for images, others in zip((degraded, clean), partners, strict=True):
            images[blended] = torch.lerp(others, images[blended], share)
        return degraded, clean

    def _draw(self, index: int) -> tuple[float, int]:
        """A sample's share of itself, 1 for one that stays as it is, and the other one, of the same epoch."""
        rng = np.random.default_rng((self._seed, _MIXED, index))
        is_blended, share, other = rng.random() < 0.5, rng.beta(self._alpha, self._alpha), rng.integers(len(self))
        return float(share) if is_blended else 1.0, index - index % len(self) + int(other)
