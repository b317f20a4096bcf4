"""How an untrained AST starts, and where its stochastic depth acts."""

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.blocks.norm import LayerNorm
from pellucid.models import create_network


@pytest.fixture(scope="module")
def fresh():
    torch.manual_seed(0)
    return create_network("ast-t", depths=(2, 1, 1, 1, 2, 1, 1, 1, 2))


def convolutions(network, pointwise):
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and (module.kernel_size == (1, 1)) == pointwise
    }


def test_linear_weights_start_at_002_and_their_biases_at_zero(fresh):
    layers = convolutions(fresh, pointwise=True)
    assert len(layers) == 2 * 12 + 3 * 7
    for name, layer in layers.items():
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15), name
        assert layer.weight.abs().max() < 2, name
        assert not layer.bias.any(), name


def test_spatial_convolutions_start_as_pytorch_makes_them(fresh):
    for name, layer in convolutions(fresh, pointwise=False).items():
        bound = layer.weight[0].numel() ** -0.5
        assert 0.8 * bound < layer.weight.abs().max() <= bound, name


def test_norms_start_at_one_and_zero(fresh):
    norms = [module for module in fresh.modules() if isinstance(module, LayerNorm)]
    assert len(norms) == 12 + 7
    for norm in norms:
        assert (norm.weight == 1).all()
        assert (norm.bias == 0).all()


def test_bias_tables_start_at_002_and_branches_balanced(fresh):
    parameters = dict(fresh.named_parameters())
    tables = [tensor for name, tensor in parameters.items() if name.endswith("bias_table")]
    balances = [tensor for name, tensor in parameters.items() if name.endswith("balance")]
    assert len(tables) == len(balances) == 7
    for table in tables:
        assert table.std().item() == pytest.approx(0.02, rel=0.15)
    for balance in balances:
        assert balance[0] == balance[1]


def rates(stages):
    return [block.drop_path.rate for stage in stages for block in stage]


def test_stochastic_depth_rises_stays_and_falls():
    with torch.device("meta"):
        network = create_network("ast-b")
    rising = np.linspace(0, 0.1, 19).tolist()
    assert rates(network.encoder) == pytest.approx(rising)
    assert rates([network.bottleneck]) == pytest.approx([0.1, 0.1])
    assert rates(network.decoder) == pytest.approx(rising[::-1])


def test_stochastic_depth_scales_with_its_largest_rate():
    with torch.device("meta"):
        network = create_network("ast-b", drop_path=0.4)
    assert rates(network.encoder) == pytest.approx(np.linspace(0, 0.4, 19).tolist())


def test_stochastic_depth_acts_in_training_only():
    torch.manual_seed(0)
    network = create_network("ast-t", embed_dim=4, num_heads=(1,) * 5, depths=(1,) * 9, drop_path=0.5)
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert len({network(image).sum().item() for _ in range(8)}) > 1
        network.eval()
        assert len({network(image).sum().item() for _ in range(4)}) == 1
