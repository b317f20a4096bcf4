"""The published sizes have their published cost, counted without running them."""

import dataclasses

import pytest
import torch

from pellucid.errors import ModelError
from pellucid.models import create_network, variants
from pellucid.models.cost import count_macs, count_parameters, peak_activation_bytes
from pellucid.models.restormer import RestormerConfig

TINY = RestormerConfig(dim=2, num_blocks=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), num_refinement_blocks=1, ffn_expansion=2)


def build_on_meta(name, **overrides):
    with torch.device("meta"):
        return create_network(name, **overrides)


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("ast-t", "6.645", "13.44"),
        ("ast-b", "65.36", "109.8"),
        ("restormer", "26.13", "154.9"),
        ("astv2-s", "9.00", "98.0"),
        ("astv2-l", "13.25", "196.5"),
    ],
)
def test_published_sizes_have_their_published_cost(name, parameters, macs):
    def as_published(value, published):
        return f"{value:.{len(published.partition('.')[2])}f}"

    assert as_published(count_parameters(build_on_meta(name)) / 1e6, parameters) == parameters
    assert as_published(count_macs(variants()[name], 256, 256) / 1e9, macs) == macs


def test_bias_free_restormer_is_a_little_smaller():
    assert round(count_parameters(build_on_meta("restormer", bias_free_norm=True)) / 1e6, 2) == 26.11


def test_convolutions_and_attention_products_are_counted():
    """Every multiply-add of one transformer block and its surroundings, added by hand for a tiny Restormer."""

    def block(dim, pixels):
        hidden = 2 * dim
        attention = pixels * (dim * 3 * dim + 3 * dim * 9 + dim * dim) + 2 * dim * dim * pixels
        return attention + pixels * (dim * 2 * hidden + 2 * hidden * 9 + hidden * dim)

    full, half, quarter, eighth = 16 * 24, 8 * 12, 4 * 6, 2 * 3
    expected = full * (3 * 2 * 9 + 4 * 3 * 9)
    expected += block(2, full) + block(4, half) + block(8, quarter) + block(16, eighth)
    expected += block(8, quarter) + block(4, half) + 2 * block(4, full)
    expected += 9 * (full * 2 * 1 + half * 4 * 2 + quarter * 8 * 4)
    expected += 9 * (eighth * 16 * 32 + quarter * 8 * 16 + half * 4 * 8)
    expected += quarter * 16 * 8 + half * 8 * 4
    assert count_macs(TINY, 16, 24) == expected


def test_peak_memory_holds_the_widest_layer_and_grows_with_the_image():
    small, large = peak_activation_bytes(TINY, 64, 64), peak_activation_bytes(TINY, 128, 128)
    widest = 64 * 64 * 2 * 2 * 2 * (2 * TINY.dim)  # GDFN's expansion at full resolution, before and after its 3×3
    assert small >= 4 * widest
    assert 3.9 < large / small < 4.1


def test_peak_memory_lets_go_of_what_is_freed():
    deep, deeper = (dataclasses.replace(TINY, num_refinement_blocks=depth) for depth in (2, 9))
    assert peak_activation_bytes(deeper, 64, 64) == peak_activation_bytes(deep, 64, 64)


def test_peak_memory_with_kernels_is_two_images_in_a_branch_and_the_skips():
    small, large = (peak_activation_bytes(TINY, side, side, fused=True) for side in (64, 128))
    assert 2 * 64 * 64 * 2 * TINY.dim * 4 <= small < peak_activation_bytes(TINY, 64, 64) / 3
    assert 3.9 < large / small < 4.1


@pytest.mark.parametrize(("name", "hint"), [("ast-base", "ast-b"), ("restomer", "restormer"), ("zzz", "Known: ast-t")])
def test_unknown_network_names_the_nearest(name, hint):
    with pytest.raises(ModelError, match=f"Unknown network '{name}'.*{hint}"):
        create_network(name)
