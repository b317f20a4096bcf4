import pytest

from pellucid.checkpoints import build_network, open_checkpoint
from pellucid.models.cost import count_macs, count_parameters
from pellucid.zoo import ModelInfo, list_models


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_the_catalogue_tells_the_truth_of_its_files(model: ModelInfo) -> None:
    checkpoint = open_checkpoint(model.path)
    assert count_parameters(build_network(checkpoint)) == model.parameters <= 3_000_000
    assert round(count_macs(checkpoint.config, 256, 256) / 1e9, 2) == model.gmacs <= 14
    assert checkpoint.metadata["task"] == model.task
    assert checkpoint.metadata["licence"] == model.licence
    assert model.path.stat().st_size < 8e6
    assert model.path.with_suffix(".md").exists()
