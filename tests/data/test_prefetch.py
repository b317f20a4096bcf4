import threading
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import count

import pytest
import torch
from torch import Tensor

from pellucid.data import Prefetcher
from pellucid.errors import ImageError


class Slow:
    """A source whose even samples take longer, and of which 13 is damaged."""

    channels = (3, 3)

    def __init__(self) -> None:
        self.made: list[int] = []
        self.threads: set[int] = set()

    def __len__(self) -> int:
        return 100

    def check_patch(self, patch: int) -> None:
        pass

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        time.sleep(0.01 if indices[0] % 2 == 0 else 0)
        self.made += indices
        self.threads.add(threading.get_ident())
        if 13 in indices:
            raise ImageError("13.png: is damaged")
        return torch.tensor(indices), torch.tensor(patch)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_the_order_asked_for(workers: int) -> None:
    requests = [([i], 8 * i) for i in range(10)]
    with closing(Prefetcher(Slow(), requests, workers)) as batches:
        assert [(given.tolist(), int(patch)) for given, patch in batches] == requests


def test_the_next_few_are_made_ahead_and_no_more() -> None:
    source = Slow()
    with closing(Prefetcher(source, (([i], 8) for i in count()), workers=2)) as batches:
        next(batches)
        time.sleep(0.2)
        assert sorted(source.made) == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in source.threads


def test_without_workers_nothing_is_made_ahead() -> None:
    source = Slow()
    with closing(Prefetcher(source, (([i], 8) for i in count()))) as batches:
        next(batches)
        assert source.made == [0]
    assert source.threads == {threading.get_ident()}


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_reach_the_consumer_when_their_batch_is_due(workers: int) -> None:
    with closing(Prefetcher(Slow(), (([i], 8) for i in count(11)), workers)) as batches:
        assert [int(next(batches)[0]) for _ in range(2)] == [11, 12]
        with pytest.raises(ImageError, match="13"):
            next(batches)


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    with closing(Prefetcher(Slow(), (([i], 8) for i in count()), workers=4)) as batches:
        next(batches)
        assert threading.active_count() > before
    assert threading.active_count() == before
