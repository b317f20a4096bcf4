"""The published networks, layer by layer: nine tiny checkpoints must give the outputs their authors' code gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import pellucid
from pellucid.checkpoints import open_checkpoint
from pellucid.checkpoints.read import read_weights
from pellucid.kernels import dispatch
from pellucid.models.cost import count_parameters
from pellucid.models.registry import FAMILIES

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.npz"))
SHARED_WEIGHTS = {"ast_frfn_img256": "ast_frfn_img128"}
TOLERANCE = {"ast": 2e-4, "restormer": 1e-5, "astv2": 1e-5}
CONTAINERS = {"ast": "state_dict", "plain": "bare"}


@pytest.fixture(params=["kernels", "PyTorch alone"], autouse=True)
def with_and_without_kernels(request, monkeypatch):
    if request.param == "PyTorch alone":
        monkeypatch.setattr(dispatch, "library", lambda name: None)


def weights(name):
    return GOLDEN / f"{SHARED_WEIGHTS.get(name, name)}.pth"


def facts(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def picture_and_output(name):
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return torch.from_numpy(arrays["input"]).float() / 255, torch.from_numpy(arrays["output"])


def load(name):
    """The golden network, with the one setting that its file does not record."""
    official = facts(name)["config"]
    if official["family"] != "ast":
        return pellucid.load_network(weights(name))
    return pellucid.load_network(weights(name), bottleneck_shift=official["img_size"] // 16 > official["win_size"])


def expected_config(official):
    family, known = FAMILIES[official["family"]], {}
    if family.name == "ast":
        known = {
            "embed_dim": official["embed_dim"],
            "depths": tuple(official["depths"]),
            "num_heads": tuple(official["num_heads"][4:]),
            "window_sizes": (official["win_size"],) * 5,
            "bottleneck_shift": official["img_size"] // 16 > official["win_size"],
            "feedforward": official["token_mlp"],
            "attention": "assa",
        }
        return family.config(**known)
    known = {
        "dim": official["dim"],
        "num_blocks": tuple(official["num_blocks"]),
        "num_refinement_blocks": official["num_refinement_blocks"],
        "num_heads": tuple(official["heads"]),
        "ffn_expansion": official["ffn_expansion_factor"],
        "bias": official["bias"],
        "bias_free_norm": official["LayerNorm_type"] == "BiasFree",
    }
    if family.name == "restormer":
        known["in_channels"] = official.get("inp_channels", 3)
        known["out_channels"] = official.get("out_channels", 3)
        known["dual_pixel"] = official.get("dual_pixel_task", False)
    return family.config(**known)


def test_all_nine_are_here():
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_output_agrees_with_the_published_network(name):
    image, expected = picture_and_output(name)
    with torch.inference_mode():
        output = load(name)(image)
    torch.testing.assert_close(output, expected, rtol=0, atol=TOLERANCE[facts(name)["config"]["family"]])


@pytest.mark.parametrize("name", NAMES)
def test_config_and_size_are_found(name):
    network = load(name)
    assert network.config == expected_config(facts(name)["config"])
    assert count_parameters(network) == facts(name)["params"]


@pytest.mark.parametrize("name", NAMES)
def test_container_is_seen_and_names_are_the_authors(name):
    checkpoint = open_checkpoint(weights(name))
    container = facts(name)["container"]
    assert checkpoint.container == CONTAINERS.get(container, container)
    assert checkpoint.official
    assert checkpoint.family.name == facts(name)["config"]["family"]


@pytest.mark.parametrize(("name", "wrong"), [("ast_frfn_img128", True), ("ast_frfn_img256", False)])
def test_bottleneck_shift_matters(name, wrong):
    image, expected = picture_and_output(name)
    with torch.inference_mode():
        output = pellucid.load_network(weights(name), bottleneck_shift=wrong)(image)
    assert (output - expected).abs().max() > 10


@pytest.mark.parametrize("name", NAMES)
def test_renaming_is_a_bijection(name):
    stored = read_weights(weights(name)).state
    family = FAMILIES[facts(name)["config"]["family"]]
    ours = family.from_official(stored)
    back = family.to_official(ours)
    assert back.keys() == stored.keys()
    for key, tensor in stored.items():
        assert back[key].dtype == tensor.dtype, key
        assert torch.equal(back[key], tensor), key
    network = load(name)
    assert ours.keys() == network.state_dict().keys()


@pytest.mark.parametrize("name", ["ast_ffn", "astv2", "restormer_biasfree"])
def test_parity_survives_batches(name):
    image, expected = picture_and_output(name)
    flipped = image.flip(0, -1)
    network = load(name)
    with torch.inference_mode():
        output = network(torch.cat([flipped, image]))
    tolerance = TOLERANCE[facts(name)["config"]["family"]]
    torch.testing.assert_close(output[len(image) :], expected, rtol=0, atol=tolerance)
