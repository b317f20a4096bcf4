"""Every bad file is a CheckpointError of one line that names the file, and no file is ever run."""

import json
import pickle
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pellucid.checkpoints import load_network, open_checkpoint, save_network
from pellucid.errors import CheckpointError
from pellucid.models.ast import ASTConfig
from pellucid.models.astv2 import ASTv2Config
from pellucid.models.registry import build, family_of
from pellucid.models.restormer import RestormerConfig

CONFIGS = {
    "ast": ASTConfig(embed_dim=4, depths=(1,) * 9, num_heads=(1,) * 5, ffn_ratio=1, window_sizes=(2,) * 5),
    "restormer": RestormerConfig(dim=2, num_blocks=(1,) * 4, num_heads=(1,) * 4, num_refinement_blocks=1, bias=True),
    "astv2": ASTv2Config(dim=24, num_blocks=(1,) * 3, num_heads=(1,) * 3, num_refinement_blocks=1, ffn_expansion=1),
}
TELLING = {  # keys by whose presence a family or a kind of layer is known, so that their absence cannot be seen
    "embed.weight",
    "decoder.3.0.norm2.weight",
    "latent.0.norm1.weight",
    "decoder.0.0.attention.weighting.modulate.weight",
    "encoder.0.0.feedforward.partial.weight",
    "latent.0.norm1.bias",
    "refinement.0.norm1.bias",
    "output.bias",
}


@pytest.fixture(scope="module")
def states():
    """Each family's tensors, under the authors' names and ours."""
    networks = {name: build(config) for name, config in CONFIGS.items()}
    return {
        (name, official): family_of(CONFIGS[name]).to_official(network.state_dict())
        if official
        else network.state_dict()
        for name, network in networks.items()
        for official in (False, True)
    }


def one_of_each(state):
    """The first key of every kind, whatever its level and block; constants that may be missing are left out."""
    kinds = {re.sub(r"\d+", "#", key): key for key in reversed(state) if not key.endswith("relative_position_index")}
    return list(kinds.values())


def complaint(path):
    with pytest.raises(CheckpointError) as error:
        load_network(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def write(path, state):
    safetensors.torch.save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"just some words\n", "looks like text"),
        (b"<!DOCTYPE html><html><body>Quota exceeded</body></html>", "a web page"),
        (b"\n  <html lang='en'><head></head></html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (PNG, "a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "a picture"),
        (b"\x00\x01\x02\x03" * 30, "no format that holds weights"),
        (b"PK\x03\x04" + bytes(60), "damaged"),
        (b"\x80\x02}q\x00", "damaged"),
        (b"\x40" + bytes(7) + b"{" + bytes(80), "damaged or truncated safetensors"),
    ],
)
def test_files_that_hold_no_weights_are_described(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    assert words in complaint(path)


def test_a_missing_file(tmp_path):
    assert complaint(tmp_path / "none.pth").endswith("no such file")
    assert "list_models()" in complaint(tmp_path / "ast-s-derain")


def test_a_folder(tmp_path):
    assert "is a folder" in complaint(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_pytorch_files(tmp_path, states, zipped):
    whole, path = tmp_path / "whole.pth", tmp_path / "cut.pth"
    torch.save({"params": states["restormer", True]}, whole, _use_new_zipfile_serialization=zipped)
    content = whole.read_bytes()
    for length in (1, 2, 4, 9, 100, 1000, len(content) // 2, len(content) - 200, len(content) - 1):
        path.write_bytes(content[:length])
        complaint(path)


def test_truncated_safetensors_files(tmp_path, states):
    content = write(tmp_path / "whole.safetensors", states["restormer", False]).read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    path = tmp_path / "cut.safetensors"
    for length in (1, 7, 8, 9, 100, header - 1, header, header + 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        complaint(path)


class Trap:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("how", ["pickle", "zip", "beside tensors"])
def test_code_in_a_pickle_is_not_run(tmp_path, states, how):
    path, marker = tmp_path / "trap.pth", tmp_path / "it ran"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Trap(marker), protocol=2))
    elif how == "zip":
        torch.save(Trap(marker), path)
    else:
        torch.save({"params": states["restormer", True], "extra": Trap(marker)}, path)
    assert "it was not run" in complaint(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "data", [{}, {"params": {}}, {"epoch": 3}, [torch.zeros(3)], torch.zeros(3), 7, None], ids=repr
)
def test_files_without_named_tensors(tmp_path, data):
    path = tmp_path / "none.pth"
    torch.save(data, path)
    assert "holds no tensors" in complaint(path)


@pytest.mark.parametrize(
    "state",
    [
        {"conv1.weight": torch.zeros(4, 3, 7, 7), "fc.weight": torch.zeros(10, 4), "fc.bias": torch.zeros(10)},
        {"layers.0.attn.relative_position_index": torch.zeros(49, 49, dtype=torch.long)},
        {"layers.0.attn.relative_position_index": torch.zeros(392, 392, dtype=torch.long)},
        {"layers.0.attn.relative_position_index": torch.tensor(0)},
        {"norm.fc1.weight": torch.zeros(5)},
        {"head.linear1.0.weight": torch.tensor(1.0)},
        {"attn.att_ca.weight": torch.tensor(1.0)},
        {"embed.weight": torch.zeros(5), "decoder.3.0.norm2.weight": torch.zeros(5)},
        {"embed.weight": torch.tensor(0.0), "latent.0.norm1.weight": torch.zeros(5)},
    ],
    ids=lambda state: f"{next(iter(state))} {tuple(next(iter(state.values())).shape)}",
)
def test_weights_of_something_else(tmp_path, state):
    complaint(write(tmp_path / "other.safetensors", state))


def test_weights_of_something_else_are_told_by_their_first_key(tmp_path):
    path = write(tmp_path / "other.safetensors", {"stem.weight": torch.zeros(4, 3, 7, 7)})
    message = complaint(path)
    assert "ast, astv2, restormer" in message
    assert "'stem.weight' of shape (4, 3, 7, 7)" in message


@pytest.mark.parametrize("family", CONFIGS)
def test_any_missing_key_is_named_as_the_file_spells_it(tmp_path, states, family):
    state, renaming = states[family, True], family_of(CONFIGS[family]).renaming
    unnamed = {}
    for key in one_of_each(state):
        path = write(tmp_path / "missing.safetensors", {other: t for other, t in state.items() if other != key})
        message = complaint(path)
        if renaming.to_ours(key) not in TELLING and f"'{key}'" not in message:
            unnamed[key] = message.removeprefix(str(path))
    assert not unnamed


@pytest.mark.parametrize("key", ["latent.0.attention.temperature", "decoder.1.0.norm2.bias", "upsample.0.0.weight"])
def test_a_key_missing_from_our_own_files_has_our_name(tmp_path, states, key):
    state = {other: tensor for other, tensor in states["restormer", False].items() if other != key}
    assert f"'{key}'" in complaint(write(tmp_path / "missing.safetensors", state))


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("family", CONFIGS)
def test_an_unexpected_key_is_named(tmp_path, states, family, official):
    path = write(tmp_path / "extra.safetensors", {**states[family, official], "stranger.weight": torch.zeros(2)})
    assert "'stranger.weight' is unexpected" in complaint(path)


@pytest.mark.parametrize("family", CONFIGS)
def test_a_number_in_place_of_any_tensor_is_refused_in_one_line(tmp_path, states, family):
    state = states[family, True]
    for key in one_of_each(state):
        complaint(write(tmp_path / "wrong.safetensors", {**state, key: state[key].flatten()[0]}))


@pytest.mark.parametrize(
    ("family", "key"),
    [
        ("ast", "decoderlayer_2.blocks.0.attn.qkv.to_kv.bias"),
        ("ast", "encoderlayer_1.blocks.0.norm2.weight"),
        ("restormer", "latent.0.attn.qkv_dwconv.weight"),
        ("restormer", "up2_1.body.0.weight"),
        ("astv2", "refinement.0.ffn.partial_conv3.weight"),
        ("astv2", "decoder_level3.0.norm1.body.bias"),
    ],
)
def test_a_wrong_shape_is_named_as_the_file_spells_it(tmp_path, states, family, key):
    state = states[family, True]
    path = write(tmp_path / "wrong.safetensors", {**state, key: torch.cat([state[key], state[key]])})
    message = complaint(path)
    assert f"'{key}' has shape" in message
    assert str(2 * len(state[key])) in message
    assert "more)" not in message


def test_several_faults_are_counted(tmp_path, states):
    state = {**states["restormer", True], "a": torch.zeros(1), "b": torch.zeros(1)}
    assert "(and 1 more)" in complaint(write(tmp_path / "two.safetensors", state))


@pytest.mark.parametrize(
    "config",
    ["not json", "[]", '"dim"', '{"dimension": 4}', '{"dim": 7}', '{"dim": "wide"}', '{"num_blocks": null}', "{}"],
)
def test_metadata_that_lies_is_refused(tmp_path, states, config):
    path = tmp_path / "lies.safetensors"
    state = {key: tensor.contiguous() for key, tensor in states["restormer", False].items()}
    safetensors.torch.save_file(state, path, {"config": config})
    complaint(path)


def test_a_config_of_another_family_is_refused(tmp_path, states):
    path = tmp_path / "lies.safetensors"
    save_network(
        build(CONFIGS["restormer"]), path, task="denoise", licence="MIT", notes={"config": json.dumps({"channels": 3})}
    )
    with pytest.raises(CheckpointError, match="channels"):
        open_checkpoint(path)
