import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid.inference.tiling import cover


@given(
    size=st.integers(1, 3000),
    tile=st.integers(64, 700),
    overlap=st.integers(0, 200),
    align=st.sampled_from([1, 4, 8, 16, 64, 128]),
)
def test_weights_add_up_to_one_everywhere(size: int, tile: int, overlap: int, align: int) -> None:
    overlap = min(overlap, tile // 3 // align * align)
    if tile < align + overlap:
        return
    axis = cover(size, tile=tile, overlap=overlap, align=align)
    total = torch.zeros(size)
    for (start, stop), weights in zip(axis.spans, axis.weights, strict=True):
        assert 0 <= start < stop <= size
        assert stop - start <= tile
        assert start % align == 0
        total[start:stop] += weights
    torch.testing.assert_close(total, torch.ones(size))


def test_neighbours_overlap_and_no_three_meet() -> None:
    axis = cover(1000, tile=300, overlap=64, align=4)
    starts, stops = zip(*axis.spans, strict=True)
    assert all(stop - start >= 64 for stop, start in zip(stops, starts[1:], strict=False))
    assert all(stop <= start for stop, start in zip(stops, starts[2:], strict=False))


def test_a_size_just_above_the_tile_gives_two_similar_spans() -> None:
    (first, second) = cover(601, tile=600, overlap=32, align=16).spans
    assert abs((first[1] - first[0]) - (second[1] - second[0])) <= 32


def test_an_image_that_fits_is_one_span() -> None:
    axis = cover(512, tile=512, overlap=64, align=128)
    assert axis.spans == ((0, 512),)
    assert axis.weights[0].min() == 1


@pytest.mark.parametrize("edge", [0, -1])
def test_a_tile_counts_for_nothing_where_it_was_cut(edge: int) -> None:
    axis = cover(1000, tile=320, overlap=64, align=128)
    inner = axis.weights[1]
    assert inner[edge] == 0
