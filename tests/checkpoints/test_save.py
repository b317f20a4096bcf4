"""Saving leaves a whole file or the old one, and never a temporary."""

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pellucid.checkpoints import load_network, save_network
from pellucid.errors import CheckpointError
from pellucid.models.registry import build
from pellucid.models.restormer import RestormerConfig

TINY = RestormerConfig(dim=2, num_blocks=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), num_refinement_blocks=1)


@pytest.fixture
def network(randomise):
    return randomise(build(TINY))


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save(network, path):
    save_network(network, path, task="denoise", licence="MIT")


def break_off(error):
    whole = Path.write_bytes

    def write_bytes(path, data):
        whole(path, data[: len(data) // 2])
        raise error

    return write_bytes


def test_saving_replaces_an_older_file_and_leaves_nothing_else(network, tmp_path):
    path = tmp_path / "n.safetensors"
    path.write_bytes(b"older")
    save(network, path)
    assert [file.name for file in tmp_path.iterdir()] == ["n.safetensors"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()
    assert load_network(path).config == TINY


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_failure_halfway_leaves_the_old_file_and_no_temporary(network, tmp_path, monkeypatch, error):
    path = tmp_path / "n.safetensors"
    save(network, path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", break_off(error))
    with pytest.raises(CheckpointError if isinstance(error, OSError) else KeyboardInterrupt):
        save(network, path)
    assert [file.name for file in tmp_path.iterdir()] == ["n.safetensors"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["nowhere/n.safetensors", "folder"])
def test_a_place_that_cannot_be_written_is_named_in_one_line(network, tmp_path, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError) as error:
        save(network, tmp_path / place)
    assert str(tmp_path / place) in str(error.value)
    assert "\n" not in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_saving_changes_neither_weights_nor_mode(network, tmp_path):
    before = {key: tensor.clone() for key, tensor in network.train().state_dict().items()}
    save_network(network, tmp_path / "n.safetensors", task="denoise", licence="MIT", dtype=torch.float16)
    assert network.training
    for key, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[key]), key


def test_the_file_holds_the_weights_under_our_names(network, tmp_path):
    save(network, tmp_path / "n.safetensors")
    stored = safetensors.torch.load_file(tmp_path / "n.safetensors")
    assert stored.keys() == network.state_dict().keys()
    assert all(torch.equal(stored[key], tensor) for key, tensor in network.state_dict().items())
