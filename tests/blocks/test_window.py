"""The geometry of windows: which row of the bias table, which windows need a mask."""

import pytest
import torch

from pellucid.blocks.window import border_mask, pad_to_windows, relative_position_index

CPU = torch.device("cpu")


@pytest.mark.parametrize("window", [1, 2, 5, 8])
def test_index_counts_rows_of_the_table_by_query_minus_key(window):
    index = relative_position_index(window)
    places = [(y, x) for y in range(window) for x in range(window)]
    for query, (qy, qx) in enumerate(places):
        for key, (ky, kx) in enumerate(places):
            assert index[query, key] == (qy - ky + window - 1) * (2 * window - 1) + (qx - kx + window - 1)


def test_padding_to_windows_adds_zeros_below_and_right_only():
    x = torch.ones(1, 2, 9, 8)
    padded = pad_to_windows(x, 8)
    assert padded.shape == (1, 2, 16, 8)
    assert torch.equal(padded[:, :, :9], x)
    assert not padded[:, :, 9:].any()


def test_padding_leaves_whole_windows_alone():
    x = torch.ones(1, 2, 16, 8)
    assert pad_to_windows(x, 8) is x


def test_whole_unshifted_windows_need_no_mask():
    assert border_mask(64, 32, 8, 0, CPU) is None


def test_only_windows_on_the_far_edges_are_masked():
    index, mask = border_mask(24, 32, 8, 4, CPU)
    assert index.tolist() == [3, 7, 8, 9, 10, 11]
    assert mask.shape == (6, 64, 64)
    assert set(mask.unique().tolist()) == {-100.0, 0.0}


def test_no_token_is_blind():
    for height in range(1, 18):
        for shift in (0, 4):
            masked = border_mask(height, 13, 8, shift, CPU)
            assert masked is not None
            assert (masked[1] > -torch.inf).any(-1).all(), (height, shift)


def test_masking_a_large_image_stores_a_small_part_of_its_windows():
    index, mask = border_mask(2048, 2048, 8, 4, CPU)
    assert len(index) == len(mask) == 2 * 256 - 1
