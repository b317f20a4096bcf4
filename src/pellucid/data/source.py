"""What the training loop asks of its data."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Source(Protocol):
    """Random access to training pairs.

    Sample ``index`` (0, 1, 2, ... without end) is a pure function of (seed, index), so that a resumed run, or one
    split over ranks or micro-batches, sees the same samples, with no sampler to save. Threads may share a source.
    """

    def __len__(self) -> int:
        """Pairs or photographs: the length of an epoch."""
        ...

    @property
    def channels(self) -> tuple[int, int]:
        """Of input and target: (3, 3) for colour, (1, 1) for grey, (6, 3) for the two views of a dual pixel."""
        ...

    def check_patch(self, patch: int) -> None:
        """Find out quickly, from the headers of the files, whether squares of this side can be cut.

        Raises:
            ConfigError: a picture is smaller; the line names it.
            ImageError: a picture that cannot be read.
        """
        ...

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        """These samples: (degraded, clean), float32 (B, C, patch, patch) on the source's device, clean in [0, 1].

        Raises:
            ConfigError: a picture smaller than the patch, or a pair of different sizes.
            ImageError: a picture that cannot be read.
        """
        ...


def generator(*key: int) -> torch.Generator:
    """A generator on the CPU whose numbers depend on the key alone, unrelated to those of its neighbours."""
    (seed,) = np.random.SeedSequence(key).generate_state(1)
    return torch.Generator().manual_seed(int(seed))
