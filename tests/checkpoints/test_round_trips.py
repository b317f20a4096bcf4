"""Awkward networks survive being saved, stripped of what they say of themselves, renamed and wrapped."""

import dataclasses

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.checkpoints import load_network, open_checkpoint, save_network
from pellucid.models.ast import ASTConfig
from pellucid.models.ast.choices import ATTENTIONS, FEEDFORWARDS
from pellucid.models.astv2 import ASTv2Config
from pellucid.models.registry import build, family_of
from pellucid.models.restormer import RestormerConfig

FACTORS = st.sampled_from([1.0, 1.5, 2.0, 2.66, 3.37, 4.0, 4.123])
CONTAINERS = ("bare", "params", "params_ema", "state_dict")
few_examples = settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def heads_for(*widths):
    return st.tuples(*(st.sampled_from([n for n in range(1, width + 1) if width % n == 0]) for width in widths))


@st.composite
def ast_configs(draw):
    feedforward = draw(st.sampled_from(sorted(FEEDFORWARDS)))
    grouped = feedforward == "frfn-grouped"
    dim = 24 if grouped else draw(st.integers(4, 7))
    return ASTConfig(
        channels=draw(st.sampled_from([1, 3, 4])),
        embed_dim=dim,
        stem=draw(st.integers(1, 3)),
        depths=(1,) * 9 if grouped else draw(st.tuples(*[st.integers(1, 2)] * 9)),
        num_heads=draw(heads_for(16 * dim, 16 * dim, 8 * dim, 4 * dim, 2 * dim)),
        window_sizes=draw(st.sampled_from([(8,) * 5, (4,) * 5, (6, 8, 8, 8, 8), (2, 4, 8, 8, 8), (1, 2, 4, 7, 7)])),
        bottleneck_shift=draw(st.booleans()),
        ffn_ratio=0.5 if grouped else draw(FACTORS),
        attention=draw(st.sampled_from(list(ATTENTIONS))),
        feedforward=feedforward,
        drop_path=draw(st.sampled_from([0.0, 0.1, 0.25])),
    )


@st.composite
def restormer_configs(draw):
    dim = 2 * draw(st.integers(1, 5))
    dual_pixel = draw(st.booleans())
    channels = draw(st.sampled_from([1, 3, 4]))
    return RestormerConfig(
        in_channels=2 * channels if dual_pixel else channels,
        out_channels=channels,
        dim=dim,
        num_blocks=draw(st.tuples(*[st.integers(1, 3)] * 4)),
        num_refinement_blocks=draw(st.integers(1, 3)),
        num_heads=draw(heads_for(dim, 2 * dim, 4 * dim, 8 * dim)),
        ffn_expansion=draw(FACTORS),
        bias=draw(st.booleans()),
        bias_free_norm=draw(st.booleans()),
        dual_pixel=dual_pixel,
    )


@st.composite
def astv2_configs(draw):
    return ASTv2Config(
        channels=draw(st.sampled_from([1, 3, 4])),
        dim=24,
        num_blocks=draw(st.tuples(*[st.integers(1, 2)] * 3)),
        num_refinement_blocks=draw(st.integers(1, 2)),
        num_heads=draw(heads_for(24, 48, 96)),
        ffn_expansion=draw(st.sampled_from([1.0, 1.37, 2.66])),
        bias=draw(st.booleans()),
        bias_free_norm=draw(st.booleans()),
    )


def output_of(network, config):
    image = torch.rand(1, config.in_channels, 19, 26, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return network.eval()(image)


def hidden_widths(config):
    if isinstance(config, ASTConfig):
        return [int(config.embed_dim * 2**level * config.ffn_ratio) for level in range(5)]
    return [int(config.dim * 2**level * config.ffn_expansion) for level in range(4)]


def visible(config):
    """The fields that tensor shapes tell; a factor only through the widths that it gives."""
    told = dataclasses.asdict(config)
    told.pop("ffn_ratio", None)
    told.pop("ffn_expansion", None)
    if isinstance(config, ASTConfig):
        del told["drop_path"], told["bottleneck_shift"]
        row = ATTENTIONS[config.attention]
        if row.where != "window":
            del told["window_sizes"]
        told["attention"] = row.taken_for or config.attention
    return {**told, "hidden": hidden_widths(config)}


def unseen(config):
    """What a file without metadata needs to be told, so that the outputs agree."""
    if not isinstance(config, ASTConfig):
        return {}
    return {"bottleneck_shift": config.bottleneck_shift, "attention": config.attention}


def wrap(state, container, prefix):
    state = {prefix + key: tensor for key, tensor in state.items()}
    if container == "bare":
        return state
    if container == "params_ema":
        return {"params": {key: torch.zeros_like(tensor) for key, tensor in state.items()}, "params_ema": state}
    return {"epoch": 3, container: state, "optimizer": {"state": {}, "param_groups": []}}


def check_round_trips(network, folder, container, prefix):
    config, expected = network.config, output_of(network, network.config)
    family = family_of(config)

    ours = folder / "ours.safetensors"
    save_network(network, ours, task="denoise", licence="Apache-2.0")
    checkpoint = open_checkpoint(ours)
    assert checkpoint.config == config
    assert (checkpoint.family.name, checkpoint.official, dict(checkpoint.assumed)) == (family.name, False, {})
    loaded = load_network(ours)
    assert loaded.config == config
    assert torch.equal(output_of(loaded, config), expected)

    stripped = folder / "stripped.safetensors"
    safetensors.torch.save_file(safetensors.torch.load_file(ours), stripped)
    official = folder / "official.pth"
    torch.save(wrap(family.to_official(network.state_dict()), container, prefix), official)
    for path in (stripped, official):
        checkpoint = open_checkpoint(path)
        assert checkpoint.family is family
        assert visible(checkpoint.config) == visible(config)
        assert checkpoint.official == (path is official)
        assert torch.equal(output_of(load_network(path, **unseen(config)), config), expected)


@few_examples
@given(config=ast_configs(), container=st.sampled_from(CONTAINERS), prefix=st.sampled_from(["", "module."]))
def test_awkward_ast_survives(randomise, tmp_path, config, container, prefix):
    check_round_trips(randomise(build(config)), tmp_path, container, prefix)


@few_examples
@given(config=restormer_configs(), container=st.sampled_from(CONTAINERS), prefix=st.sampled_from(["", "module."]))
def test_awkward_restormer_survives(randomise, tmp_path, config, container, prefix):
    check_round_trips(randomise(build(config)), tmp_path, container, prefix)


@few_examples
@given(config=astv2_configs(), container=st.sampled_from(CONTAINERS), prefix=st.sampled_from(["", "module."]))
def test_awkward_astv2_survives(randomise, tmp_path, config, container, prefix):
    check_round_trips(randomise(build(config)), tmp_path, container, prefix)


@pytest.mark.parametrize("feedforward", FEEDFORWARDS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_attention_with_every_feedforward_survives(randomise, tmp_path, attention, feedforward):
    config = ASTConfig(
        embed_dim=24 if feedforward == "frfn-grouped" else 4,
        depths=(1,) * 9,
        num_heads=(4, 2, 4, 2, 1),
        ffn_ratio=0.5,
        attention=attention,
        feedforward=feedforward,
    )
    check_round_trips(randomise(build(config)), tmp_path, "params", "")


TINY = RestormerConfig(dim=2, num_blocks=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), num_refinement_blocks=1)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_opened(randomise, tmp_path, container, prefix):
    network = randomise(build(TINY))
    path = tmp_path / "official.pth"
    torch.save(wrap(family_of(TINY).to_official(network.state_dict()), container, prefix), path)
    assert open_checkpoint(path).container == container
    assert torch.equal(output_of(load_network(path), TINY), output_of(network, TINY))


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_names_left_by_compilation_are_stripped(randomise, tmp_path, prefix):
    network = randomise(build(TINY))
    path = tmp_path / "compiled.pth"
    torch.save({prefix + key: tensor for key, tensor in network.state_dict().items()}, path)
    assert torch.equal(output_of(load_network(path), TINY), output_of(network, TINY))


def test_a_file_of_the_old_pytorch_format_is_opened(randomise, tmp_path):
    network = randomise(build(TINY))
    path = tmp_path / "old.pth"
    torch.save({"params": network.state_dict()}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(output_of(load_network(path), TINY), output_of(network, TINY))


@pytest.mark.parametrize(
    ("windows", "attention", "assumed"),
    [
        ((8, 8, 8, 8, 8), "assa", {"bottleneck_shift": False, "attention": "assa"}),
        ((4, 4, 4, 4, 4), "swin", {"bottleneck_shift": False, "attention": "swin"}),
        ((4, 8, 8, 8, 8), "assa", {"attention": "assa"}),
        ((8, 8, 8, 8, 8), "mdta", {}),
    ],
)
def test_only_what_shapes_cannot_tell_is_assumed(tmp_path, windows, attention, assumed):
    config = ASTConfig(embed_dim=4, depths=(1,) * 9, num_heads=(1,) * 5, window_sizes=windows, attention=attention)
    path = tmp_path / "net.pth"
    torch.save(build(config).state_dict(), path)
    assert open_checkpoint(path).assumed == assumed
