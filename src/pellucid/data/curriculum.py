"""Samples that change as a run goes on."""

from bisect import bisect
from collections.abc import Sequence

from torch import Tensor

from pellucid.data.source import Source


class Curriculum:
    """A ``Source`` made of others, each from some sample on: what is easy first, then everything.

    A network that must tell many degradations apart from the first step on stands still for thousands of steps; one
    that has learnt what a photograph looks like does not (Bengio et al., "Curriculum Learning", ICML 2009).
    """

    def __init__(self, parts: Sequence[tuple[int, Source]]) -> None:
        """Take samples from one source after the other.

        Args:
            parts: the first sample of each and the source, in order; the first begins at 0.
        """
        self._firsts = [first for first, _ in parts]
        self._sources = [source for _, source in parts]

    def __len__(self) -> int:
        """As the last source's."""
        return len(self._sources[-1])

    @property
    def channels(self) -> tuple[int, int]:
        """As the last source's."""
        return self._sources[-1].channels

    def check_patch(self, patch: int) -> None:
        """See ``Source``."""
        self._sources[-1].check_patch(patch)

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        """See ``Source``; all of a batch come from the source of its first sample."""
        return self._sources[bisect(self._firsts, indices[0]) - 1].batch(indices, patch)
