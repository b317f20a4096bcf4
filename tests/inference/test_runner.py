"""A network that is run is left as it was."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import pellucid
from pellucid.inference import RestoreOptions, Restorer
from pellucid.inference.runner import in_eval_mode

from conftest import TINY_AST

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture
def training() -> nn.Module:
    """A network whose output is another in training mode, with all that hangs on one."""
    torch.manual_seed(0)
    network = pellucid.create_network("ast-t", **TINY_AST, drop_path=0.9).train()
    network.embed.eval()
    network.working_side, network.bf16_loss = 4096, 0.5
    return network


def facts(network: nn.Module) -> dict[str, object]:
    """What may not change: modules, modes, attributes, and which tensors there are."""
    return {
        name: (id(module), {key: id(value) for key, value in vars(module).items()}, module.training)
        for name, module in network.named_modules()
    } | {
        name: (id(tensor), tensor.requires_grad, tensor.device, tensor.data_ptr())
        for name, tensor in network.named_parameters()
    }


def test_a_network_in_training_stays_so(training: nn.Module) -> None:
    before = facts(training)
    restorer = Restorer(training, tile="off")
    restored = restorer.restore_array(PIXELS)
    assert facts(training) == before
    np.testing.assert_array_equal(restored, restorer.restore_array(PIXELS))
    np.testing.assert_array_equal(restored, Restorer(copy.deepcopy(training).eval(), tile="off").restore_array(PIXELS))


def test_its_twin_has_the_same_weights_and_all_that_hangs_on_it(training: nn.Module) -> None:
    seen: list[str] = []
    training.embed.register_forward_hook(lambda module, given, result: seen.append("embed"))
    twin = in_eval_mode(training, CPU)
    assert type(twin) is type(training)
    assert not any(module.training for module in twin.modules())
    assert all(one is other for one, other in zip(training.parameters(), twin.parameters(), strict=True))
    assert all(one is other for one, other in zip(training.buffers(), twin.buffers(), strict=True))
    assert list(training.state_dict()) == list(twin.state_dict())
    assert (twin.config, twin.working_side, twin.bf16_loss) == (training.config, 4096, 0.5)
    twin(torch.rand(1, 3, 16, 16))
    assert seen == ["embed"]


def test_a_network_that_is_ready_is_run_itself(tiny_ast: nn.Module) -> None:
    assert in_eval_mode(tiny_ast, CPU) is tiny_ast


def test_a_module_that_is_met_twice_is_so_in_the_twin() -> None:
    shared = nn.Linear(2, 2)
    twin = in_eval_mode(nn.Sequential(shared, nn.Sequential(shared)).train(), CPU)
    assert twin[0] is twin[1][0]


def test_on_another_device_the_weights_are_copied(training: nn.Module) -> None:
    training.embed.weight.requires_grad_(False)
    before = facts(training)
    twin = in_eval_mode(training, torch.device("meta"))
    assert {tensor.device.type for tensor in (*twin.parameters(), *twin.buffers())} == {"meta"}
    assert not twin.embed.weight.requires_grad
    assert twin.output.weight.requires_grad
    assert facts(training) == before


def test_a_network_is_restored_with_and_trained_at_the_same_time(training: nn.Module) -> None:
    expected = Restorer(training, tile="off").restore_array(PIXELS)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: Restorer(training, tile="off").restore_array(PIXELS), range(4)))
    assert training.training
    for restored in results:
        np.testing.assert_array_equal(restored, expected)


def test_options_are_given_as_one_or_one_by_one(tiny_ast: nn.Module) -> None:
    options = RestoreOptions(tile=64, overlap=8)
    assert Restorer(tiny_ast, options, overlap=16).options == Restorer(tiny_ast, tile=64, overlap=16).options
    with pytest.raises(pellucid.PellucidError, match=r"no option 'tiles'\. Did you mean 'tile'"):
        pellucid.restore(PIXELS, model=tiny_ast, tiles=64)
    by_object = pellucid.restore(PIXELS, model=tiny_ast, options=options)
    np.testing.assert_array_equal(by_object, pellucid.restore(PIXELS, model=tiny_ast, tile=64, overlap=8))
