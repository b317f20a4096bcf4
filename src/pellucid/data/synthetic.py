"""Training pairs from clean photographs: crops, symmetries, and a degradation made on the fly."""

from bisect import bisect
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.data.augment import Crop, retouched
from pellucid.data.photo_cache import PhotoCache, check_fits, without_colour
from pellucid.data.source import generator
from pellucid.degrade import Degradation
from pellucid.degrade.base import chance, integer


class SyntheticPairs:
    """A ``Source`` that degrades clean photographs, each crop anew.

    A photograph is chosen with a probability in proportion to its area, then a crop uniformly from it: every
    part of every photograph is seen equally often.
    """

    def __init__(
        self,
        photos: PhotoCache,
        degradation: Degradation,
        seed: int = 0,
        device: torch.device | str = "cpu",
        *,
        desaturate: float = 0.0,
        retouch: float = 0.0,
        shrink: int = 1,
        decoys: Degradation | None = None,
    ) -> None:
        """Degrade these photographs.

        Args:
            photos: clean ones, wherever they are held.
            degradation: what to do to the crops.
            seed: of everything random; not negative.
            device: where the crops are degraded.
            desaturate: share of the crops that lose their colour before they are degraded, in [0, 1].
            retouch: share of the crops whose tones are changed before that, in [0, 1].
            shrink: half of the crops are cut up to so many times as large, as far as the photograph reaches, and shrunk
                to the patch: they show more of the scene, as a photograph of fewer pixels does.
            decoys: what is done to the crops before they are degraded, and stays in the target.
        """
        self.photos = photos
        self.degradation = degradation
        self.seed = seed
        self.device = torch.device(device)
        self.desaturate = desaturate
        self.retouch = retouch
        self.shrink = shrink
        self.decoys = decoys

    def __len__(self) -> int:
        """How many photographs."""
        return len(self.photos)

    @property
    def channels(self) -> tuple[int, int]:
        """Of input and target: (3, 3), or (1, 1) for grey."""
        return self.photos.channels, self.photos.channels

    def check_patch(self, patch: int) -> None:
        """See ``Source``; every photograph is looked at."""
        for index, path in enumerate(self.photos.paths):
            check_fits(path, self.photos.shape(index), patch)

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        """See ``Source``."""
        rngs = [generator(self.seed, index) for index in indices]
        clean = torch.stack([self._clean(rng, patch) for rng in rngs]).to(self.device)
        if self.decoys:
            clean = self.decoys.apply(clean, [self.decoys.sample(rng) for rng in rngs])
        params = [self.degradation.sample(rng) for rng in rngs]
        return self.degradation.apply(clean, params), clean

    def _clean(self, rng: torch.Generator, patch: int) -> Tensor:
        where = torch.rand((), generator=rng, dtype=torch.float64).item() * self._areas[-1]
        chosen = bisect(self._areas, where)
        photo = self.photos[chosen]
        check_fits(self.photos.paths[chosen], photo.shape, patch)
        _, height, width = photo.shape
        factor = self._factor(rng, min(height, width) // patch)
        clean = F.avg_pool2d(Crop.draw(rng, height, width, factor * patch).of(photo), factor)
        if self.retouch and chance(rng, self.retouch):
            clean = retouched(clean, rng)
        if self.desaturate and chance(rng, self.desaturate):
            return without_colour(clean)
        return clean

    def _factor(self, rng: torch.Generator, most: int) -> int:
        most = min(most, self.shrink)
        return integer(rng, 2, most) if most > 1 and chance(rng, 0.5) else 1

    @cached_property
    def _areas(self) -> list[int]:
        """Pixels of each photograph and all before it."""
        shapes = (self.photos.shape(index) for index in range(len(self.photos)))
        return list(accumulate(height * width for _, height, width in shapes))
