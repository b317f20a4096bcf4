"""What load_network gives back, and what it says."""

import logging
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pellucid.checkpoints import load_network, open_checkpoint, save_network
from pellucid.errors import CheckpointError, ModelError
from pellucid.models.registry import build
from pellucid.models.restormer import RestormerConfig

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = RestormerConfig(dim=2, num_blocks=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), num_refinement_blocks=1)


@pytest.fixture
def network(randomise):
    return randomise(build(TINY))


def test_the_network_is_in_eval_mode_and_channels_last(network, tmp_path):
    save_network(network.train(), tmp_path / "n.safetensors", task="denoise", licence="MIT")
    loaded = load_network(tmp_path / "n.safetensors")
    assert not any(module.training for module in loaded.modules())
    assert loaded.output.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_become_float32(network, tmp_path, dtype):
    path = tmp_path / "half.pth"
    torch.save({key: tensor.to(dtype) for key, tensor in network.state_dict().items()}, path)
    for key, tensor in load_network(path).state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, network.state_dict()[key].to(dtype).float()), key


def test_a_network_saved_in_half_precision_loads_in_float32(network, tmp_path):
    path = tmp_path / "half.safetensors"
    save_network(network, path, task="denoise", licence="MIT", dtype=torch.float16)
    assert {tensor.dtype for tensor in safetensors.torch.load_file(path).values()} == {torch.float16}
    assert {tensor.dtype for tensor in load_network(path).state_dict().values()} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_published_file_cast_whole_still_loads(tmp_path, dtype):
    stored = torch.load(GOLDEN / "ast_ffn.pth", weights_only=True)
    path = tmp_path / "cast.pth"
    torch.save({key: tensor.to(dtype) for key, tensor in stored.items()}, path)
    assert load_network(path).config == load_network(GOLDEN / "ast_ffn.pth").config


def test_outputs_are_not_clamped():
    with torch.inference_mode():
        output = load_network(GOLDEN / "ast_ffn.pth")(torch.rand(1, 3, 32, 32))
    assert output.min() < -1
    assert output.max() > 2


def test_assumptions_are_logged_once_each_unless_they_are_overridden(caplog):
    path = GOLDEN / "ast_frfn_img128.pth"
    with caplog.at_level(logging.INFO, "pellucid"):
        assert load_network(path).config.bottleneck_shift is False
        assert all(str(path) in said for said in caplog.messages)
        assert [said.partition("override with ")[2] for said in caplog.messages] == [
            "bottleneck_shift=...)",
            "attention=...)",
        ]
        caplog.clear()
        assert load_network(path, bottleneck_shift=True, attention="assa").config.bottleneck_shift is True
        assert not caplog.messages


def test_our_files_need_no_assumption(caplog, tmp_path):
    path = tmp_path / "ours.safetensors"
    shifted = load_network(GOLDEN / "ast_frfn_img128.pth", bottleneck_shift=True)
    save_network(shifted, path, task="derain", licence="MIT")
    with caplog.at_level(logging.INFO, "pellucid"):
        assert load_network(path).config == shifted.config
    assert not caplog.messages
    assert load_network(path, bottleneck_shift=False).config.bottleneck_shift is False


def test_a_misspelt_override_names_the_nearest_field():
    with pytest.raises(ModelError, match="Did you mean 'bottleneck_shift'"):
        load_network(GOLDEN / "ast_ffn.pth", bottleneckshift=True)


def test_an_override_that_the_weights_do_not_fit_is_refused():
    with pytest.raises(CheckpointError, match=r"ast_ffn\.pth: .*'input_proj\.proj\.0\.weight' has shape"):
        load_network(GOLDEN / "ast_ffn.pth", embed_dim=8)


@pytest.mark.parametrize("as_path", [str, Path])
def test_metadata_is_kept(network, tmp_path, as_path):
    path = as_path(tmp_path / "n.safetensors")
    save_network(network, path, task="deblur", licence="CC0-1.0", notes={"trained_on": "BSD400"})
    metadata = open_checkpoint(path).metadata
    assert (metadata["task"], metadata["licence"], metadata["trained_on"]) == ("deblur", "CC0-1.0", "BSD400")
    assert metadata["family"] == "restormer"


def test_opening_does_not_build_the_network(network, tmp_path, monkeypatch):
    path = tmp_path / "n.safetensors"
    save_network(network, path, task="denoise", licence="MIT")
    monkeypatch.setattr("pellucid.checkpoints.load.build", lambda config: pytest.fail("built"))
    assert open_checkpoint(path).config == TINY
