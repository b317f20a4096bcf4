"""Padding by reflection, for any size."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from pellucid.blocks.resample import pad_to_multiple, shuffle_downsample, shuffle_upsample


@pytest.mark.parametrize(("height", "width", "multiple"), [(9, 13, 8), (100, 173, 16), (31, 16, 16), (5, 7, 4)])
def test_small_padding_is_torchs_reflection(height, width, multiple):
    x = torch.randn(2, 3, height, width)
    padding = (0, -width % multiple, 0, -height % multiple)
    assert torch.equal(pad_to_multiple(x, multiple), F.pad(x, padding, mode="reflect"))


@given(height=st.integers(1, 40), width=st.integers(1, 40), multiple=st.sampled_from([1, 2, 4, 8, 16]))
def test_any_padding_is_numpys_reflection(height, width, multiple):
    x = np.arange(height * width).reshape(1, 1, height, width)
    expected = np.pad(x, ((0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple)), mode="reflect")
    assert np.array_equal(pad_to_multiple(torch.from_numpy(x), multiple).numpy(), expected)


def test_one_pixel_is_repeated():
    assert torch.equal(pad_to_multiple(torch.full((1, 3, 1, 1), 0.3), 16), torch.full((1, 3, 16, 16), 0.3))


def test_a_single_row_is_repeated_and_reflected():
    padded = pad_to_multiple(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 4)
    assert padded[0, 0].tolist() == [[1, 2, 3, 2]] * 4


def test_sizes_that_fit_are_not_copied():
    x = torch.randn(1, 3, 16, 32)
    assert pad_to_multiple(x, 16) is x


def test_padding_first_met_in_inference_mode_can_be_trained_through():
    x = torch.randn(1, 1, 3, 5, requires_grad=True)
    with torch.inference_mode():
        pad_to_multiple(x, 8)
    pad_to_multiple(x, 8).sum().backward()
    assert x.grad.sum() == 64


def test_resampling_halves_and_doubles():
    x = torch.randn(1, 8, 6, 10)
    assert shuffle_downsample(8)(x).shape == (1, 16, 3, 5)
    assert shuffle_upsample(8)(x).shape == (1, 4, 12, 20)
