"""Training pairs that lie on disk: a degraded photograph and a clean one."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from pellucid.data.augment import Crop
from pellucid.data.layouts import Pair
from pellucid.data.photo_cache import PhotoCache, check_fits
from pellucid.data.source import generator
from pellucid.errors import ConfigError

_PAIRS_CHECKED = 10_000
_ORDER, _CROP = 0, 1  # so that a permutation and a crop never share a seed


class PairedPhotos:
    """A ``Source`` of aligned crops, input and target turned alike.

    Epoch after epoch, each in an order of its own: sample ``index`` is element ``index % n`` of the permutation
    that (seed, ``index // n``) makes of the n pairs.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        budget_bytes: int,
        device: torch.device | str = "cpu",
        grey: bool = False,
        seed: int = 0,
    ) -> None:
        """Train on these pairs, as ``find_pairs`` gives them.

        Args:
            pairs: each with as many views as the others.
            budget_bytes: of the device's memory, for decoded pictures; see ``PhotoCache``.
            device: where the pictures are held and the batches made.
            grey: keep the luma of ITU-R BT.601 alone.
            seed: of everything random; not negative.
        """
        # many inputs may share a target, which is then decoded and held once
        paths = dict.fromkeys(path for pair in pairs for path in (*pair.inputs, pair.target))
        number = {path: i for i, path in enumerate(paths)}
        self.photos = PhotoCache(tuple(paths), budget_bytes, device, grey)
        self.seed = seed
        self._pairs = [(*(number[path] for path in pair.inputs), number[pair.target]) for pair in pairs]

    def __len__(self) -> int:
        """How many pairs."""
        return len(self._pairs)

    @property
    def channels(self) -> tuple[int, int]:
        """Of input and target: (3, 3), (1, 1) for grey, (6, 3) for the two views of a dual pixel."""
        views = len(self._pairs[0]) - 1
        return views * self.photos.channels, self.photos.channels

    def check_patch(self, patch: int) -> None:
        """See ``Source``; of very many pairs, 10,000 or a few more are looked at, spread evenly.

        Raises:
            ConfigError: also when input and target differ in size.
        """
        for pair in self._pairs[:: len(self._pairs) // _PAIRS_CHECKED + 1]:
            self._check(pair, [self.photos.shape(i) for i in pair], patch)

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        """See ``Source``."""
        samples = [self._sample(index, patch) for index in indices]
        return torch.stack([views for views, _ in samples]), torch.stack([target for _, target in samples])

    def _sample(self, index: int, patch: int) -> tuple[Tensor, Tensor]:
        epoch, position = divmod(index, len(self))
        pair = self._pairs[int(_permutation(len(self), self.seed, epoch)[position])]
        photos = [self.photos[i] for i in pair]
        self._check(pair, [photo.shape for photo in photos], patch)
        _, height, width = photos[-1].shape
        crop = Crop.draw(generator(self.seed, _CROP, index), height, width, patch)
        *views, target = (crop.of(photo) for photo in photos)
        return torch.cat(views), target

    def _check(self, pair: Sequence[int], shapes: Sequence[Sequence[int]], patch: int) -> None:
        *inputs, target = (self.photos.paths[i] for i in pair)
        *sizes, target_size = (f"{width}x{height}" for _, height, width in shapes)
        for path, size in zip(inputs, sizes, strict=True):
            if size != target_size:
                raise ConfigError(f"{path} is {size} but its target {target} is {target_size}; sizes must agree")
        check_fits(target, shapes[-1], patch)


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, _ORDER, epoch))
