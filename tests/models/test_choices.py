"""Rows of attentions and feed-forward networks: what a file can tell of them, and what it cannot."""

import pytest

from pellucid.models.ast import ASTConfig
from pellucid.models.ast.choices import ATTENTIONS, FEEDFORWARDS, attention_tensors
from pellucid.models.ast.official import infer_config
from pellucid.models.registry import build

TINY = {"depths": (1,) * 9, "num_heads": (4, 4, 2, 2, 1), "ffn_ratio": 0.5}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attentions_of_the_same_tensors_say_so(name):
    alike = [other for other in ATTENTIONS if other != name and attention_tensors(other) == attention_tensors(name)]
    meant = ATTENTIONS[name].taken_for
    assert (meant in alike) if meant else all(ATTENTIONS[other].taken_for == name for other in alike)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_what_is_only_supposed_of_an_attention_is_said(name):
    network = build(ASTConfig(embed_dim=4, attention=name, **TINY))
    inferred = infer_config(network.state_dict())
    assert inferred.config.attention == (ATTENTIONS[name].taken_for or name)
    if inferred.config.attention != name:
        assert inferred.assumed["attention"] == inferred.config.attention


@pytest.mark.parametrize("lost", ["encoder.0.0.feedforward", "bottleneck.0.feedforward", "decoder.3.0.feedforward"])
@pytest.mark.parametrize("name", FEEDFORWARDS)
def test_a_feedforward_is_told_though_a_tensor_of_it_is_lost(name, lost):
    state = build(ASTConfig(embed_dim=24, feedforward=name, **TINY)).state_dict()
    for key in [key for key in state if key.startswith(lost) and not key.endswith(("fc2.weight", "project.weight"))]:
        rest = {other: tensor for other, tensor in state.items() if other != key}
        assert infer_config(rest).config.feedforward == name
