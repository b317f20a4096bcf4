"""Batches prepared ahead, by threads: decoding and PyTorch's operations both let go of the interpreter."""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Self

from torch import Tensor

from pellucid.data.source import Source


class Prefetcher:
    """The batches of a ``Source`` in the order asked for, the next few made while the last one is used.

    Iterate over it, and close it in the end. What goes wrong in a thread is raised when its batch is due.
    """

    def __init__(self, source: Source, requests: Iterable[tuple[Sequence[int], int]], workers: int = 0) -> None:
        """Make these batches.

        Args:
            source: of the samples.
            requests: the indices and the patch of each batch; may be endless, is read a little ahead.
            workers: threads, each of which makes whole batches, two at most waiting for each; 0: none, every
                batch is made when it is asked for.
        """
        self._source = source
        self._requests = iter(requests)
        self._ahead = 2 * workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch") if workers else None
        self._pending: deque[Future[tuple[Tensor, Tensor]]] = deque()

    def __iter__(self) -> Self:
        """Itself: a batch is given once."""
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        """The next batch, as ``Source.batch`` gives it."""
        if not self._pool:
            return self._source.batch(*next(self._requests))
        for indices, patch in islice(self._requests, self._ahead + 1 - len(self._pending)):
            self._pending.append(self._pool.submit(self._source.batch, indices, patch))
        if not self._pending:
            raise StopIteration
        return self._pending.popleft().result()

    def close(self) -> None:
        """End the threads, once they have finished the batches they are at; nothing can be asked for any more."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
