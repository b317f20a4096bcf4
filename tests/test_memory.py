import torch

from pellucid.memory import available_bytes, keep_freed_memory
from pellucid.models.cost import peak_activation_bytes
from pellucid.models.registry import variants


def test_available_memory_is_plausible() -> None:
    assert 2**26 < available_bytes(torch.device("cpu")) < 2**50


def test_keeping_freed_memory_can_be_asked_for_twice() -> None:
    assert keep_freed_memory() == keep_freed_memory()


def test_activations_grow_with_the_area() -> None:
    config = variants()["ast-t"]
    small, large = peak_activation_bytes(config, 64, 64), peak_activation_bytes(config, 128, 256)
    assert 6 * small < large < 10 * small
