"""Configs: what no network can have is refused in words, and what the authors' constructor derives agrees."""

import dataclasses
import re

import pytest
import torch

from pellucid.blocks.attention import WindowAttention
from pellucid.errors import ModelError
from pellucid.models import create_network, variants
from pellucid.models.ast import AST, ASTConfig
from pellucid.models.astv2 import ASTv2Config
from pellucid.models.family import infer_expansion
from pellucid.models.registry import build, family_of
from pellucid.models.restormer import RestormerConfig

TINY = {"embed_dim": 4, "num_heads": (4, 4, 2, 2, 1), "ffn_ratio": 1}


def stages_at(patch, window):
    """The authors' rule at a training patch size: each stage's window, and whether its odd blocks shift."""
    sides = [patch // 16, patch // 8, patch // 4, patch // 2, patch]
    return tuple(min(window, side) for side in sides), tuple(side > window for side in sides)


@pytest.mark.parametrize("patch", [16, 32, 64, 96, 128, 160, 256, 512])
@pytest.mark.parametrize("window", [4, 8])
def test_shifted_stages_follow_from_shrunken_windows(patch, window):
    windows, shifted = stages_at(patch, window)
    config = ASTConfig(**TINY, window_sizes=windows, bottleneck_shift=shifted[0])
    assert config.shifted_stages == shifted


@pytest.mark.parametrize(("patch", "windows"), [(32, (2, 4, 8, 8, 8)), (96, (6, 8, 8, 8, 8)), (256, (8,) * 5)])
def test_blocks_have_the_windows_and_shifts_of_their_stage(patch, windows):
    expected_windows, shifted = stages_at(patch, 8)
    assert expected_windows == windows
    network = AST(ASTConfig(**TINY, depths=(1,) * 4 + (3,) * 5, window_sizes=windows, bottleneck_shift=shifted[0]))
    for stage, window, shifts in zip([network.bottleneck, *network.decoder], windows, shifted, strict=True):
        attentions = [block.attention for block in stage]
        assert all(isinstance(attention, WindowAttention) for attention in attentions)
        assert [attention.window for attention in attentions] == [window] * 3
        assert [attention.shift for attention in attentions] == [0, window // 2 if shifts else 0, 0]


def test_published_ast_leaves_the_bottleneck_unshifted():
    assert ASTConfig().shifted_stages == (False, True, True, True, True)


def test_encoders_have_no_attention():
    network = create_network("ast-t", **TINY)
    assert all(block.attention is None for stage in network.encoder for block in stage)
    assert all(block.attention is not None for stage in [network.bottleneck, *network.decoder] for block in stage)


def test_ast_takes_the_papers_nine_head_counts():
    assert ASTConfig(num_heads=(1, 2, 4, 8, 16, 16, 8, 4, 2)) == ASTConfig(num_heads=(16, 16, 8, 4, 2))


def test_lists_become_tuples_so_that_configs_can_be_compared_and_hashed():
    assert hash(ASTConfig(depths=[1, 2, 8, 8, 2, 8, 8, 2, 1])) == hash(ASTConfig())
    assert RestormerConfig(num_blocks=[4, 6, 6, 8]) == RestormerConfig()
    assert ASTv2Config(num_heads=[2, 4, 8]) == ASTv2Config()


@pytest.mark.parametrize(
    ("make", "fields", "words"),
    [
        (ASTConfig, {"depths": (1,) * 8}, "depths must be 9"),
        (ASTConfig, {"depths": (1,) * 8 + (0,)}, "depths must be 9 counts ≥ 1"),
        (ASTConfig, {"num_heads": (16, 16, 8, 4)}, "num_heads must list 5"),
        (ASTConfig, {"num_heads": (16, 16, 8, 4, 3)}, "3 heads do not divide a width of 64"),
        (ASTConfig, {"num_heads": (0, 16, 8, 4, 2)}, "0 heads do not divide"),
        (ASTConfig, {"window_sizes": (8, 8, 8, 8)}, "window_sizes must be 5"),
        (ASTConfig, {"window_sizes": (0, 8, 8, 8, 8)}, "window_sizes must be 5 sizes ≥ 1"),
        (ASTConfig, {"embed_dim": 3}, "embed_dim must be at least 4, not 3"),
        (ASTConfig, {"stem": 0}, "stem must be at least 1, not 0"),
        (ASTConfig, {"channels": 0}, "channels must be at least 1, not 0"),
        (ASTConfig, {"attention": "asa"}, "attention must be one of swin, sparse"),
        (ASTConfig, {"feedforward": "mlp"}, "feedforward must be one of ffn, dfn"),
        (ASTConfig, {"feedforward": "frfn-grouped"}, "embed_dim in 24s, not 32"),
        (ASTConfig, {"drop_path": 1.0}, r"drop_path must be in \[0, 1\), not 1.0"),
        (ASTConfig, {"ffn_ratio": 0.0}, "ffn_ratio"),
        (RestormerConfig, {"dim": 7}, "dim must be even, not 7"),
        (RestormerConfig, {"num_blocks": (4, 6, 6)}, "num_blocks must be 4"),
        (RestormerConfig, {"num_heads": (1, 2, 4, 7)}, "7 heads do not divide a width of 384"),
        (RestormerConfig, {"num_refinement_blocks": 0}, "num_refinement_blocks"),
        (RestormerConfig, {"in_channels": 6}, "only dual_pixel"),
        (RestormerConfig, {"out_channels": 0, "in_channels": 0}, "at least 1"),
        (RestormerConfig, {"ffn_expansion": 0.001}, "ffn_expansion"),
        (ASTv2Config, {"dim": 36}, "multiple of 24, not 36"),
        (ASTv2Config, {"num_blocks": (2, 4, 6, 8)}, "num_blocks must be 3"),
        (ASTv2Config, {"num_heads": (2, 4, 7)}, "7 heads do not divide a width of 192"),
        (ASTv2Config, {"num_refinement_blocks": 0}, "num_refinement_blocks"),
        (ASTv2Config, {"channels": 0}, "channels must be at least 1, not 0"),
        (ASTv2Config, {"ffn_expansion": -1.0}, "ffn_expansion"),
    ],
)
def test_impossible_configs_are_refused_in_one_helpful_line(make, fields, words):
    with pytest.raises(ModelError, match=words) as error:
        make(**fields)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "field", "nearest"),
    [
        ("ast-t", "bottlenek_shift", "bottleneck_shift"),
        ("restormer", "bias_free", "bias_free_norm"),
        ("astv2-s", "dims", "dim"),
    ],
)
def test_a_misspelt_override_names_the_nearest_field(name, field, nearest):
    with pytest.raises(ModelError, match=f"has no field '{field}'. Did you mean '{nearest}'"):
        create_network(name, **{field: 1})


@pytest.mark.parametrize(
    ("widths", "factor"),
    [
        ([(2, 5), (16, 42)], 2.66),
        ([(48, 127), (384, 1021)], 2.66),
        ([(4, 16), (64, 256)], 4.0),
        ([(4, 6), (64, 96)], 1.5),
        ([(4, 13), (64, 215)], 3.36),
        ([(24, 32)], 1.34),
    ],
)
def test_the_factor_inferred_from_widths_is_a_usual_one_or_the_shortest(widths, factor):
    assert infer_expansion(widths, usual=(4.0, 2.66)) == factor
    assert all(int(dim * factor) == hidden for dim, hidden in widths)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("config", "switched"),
    [
        (
            RestormerConfig(dim=2, num_heads=(1,) * 4, in_channels=6, dual_pixel=True, bias_free_norm=True),
            {
                *("attn.qkv", "attn.qkv_dwconv", "attn.project_out", "ffn.project_in", "ffn.dwconv", "ffn.project_out"),
                *("reduce_chan_level2", "reduce_chan_level3", "skip_conv", "output"),
            },
        ),
        (
            ASTv2Config(dim=24, num_heads=(1,) * 3, bias_free_norm=True),
            {
                *("attn.qkv", "attn.qkv_dwconv", "attn.att_ca", "attn.project_out"),
                *("ffn.project_in", "ffn.dwconv", "ffn.project_out", "reduce_chan_level2", "output"),
            },
        ),
    ],
    ids=["restormer", "astv2"],
)
def test_bias_switches_these_layers_and_no_others(config, switched, bias):
    family = family_of(config)
    with torch.device("meta"):
        official = family.to_official(build(dataclasses.replace(config, bias=bias)).state_dict())
    layers = {key.removesuffix(".weight") for key in official if key.endswith(".weight")}
    biased = {key.removesuffix(".bias") for key in official if key.endswith(".bias")}
    assert biased == ({layer for layer in layers if layer.endswith(tuple(switched))} if bias else set())
    assert {layer for layer in switched if any(found.endswith(layer) for found in layers)} == switched


def test_configs_are_frozen_and_keyword_only():
    for config in variants().values():
        with pytest.raises(dataclasses.FrozenInstanceError):
            config.dim = 1
        with pytest.raises(TypeError, match=re.escape("positional argument")):
            type(config)(3)


def test_overrides_keep_the_rest_of_the_variant():
    network = create_network("ast-t", drop_path=0.3)
    assert network.config == dataclasses.replace(variants()["ast-t"], drop_path=0.3)
    assert network.training
