"""The network at the start of a run: random or from a checkpoint, whole or partly frozen."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from pellucid.blocks.transformer import set_gradient_checkpointing
from pellucid.checkpoints import load_network
from pellucid.errors import ConfigError, did_you_mean
from pellucid.models import create_network
from pellucid.training.config import NetworkConfig, TrainConfig
from pellucid.zoo import find_model


def start_network(config: TrainConfig, channels: tuple[int, int]) -> nn.Module:
    """Build the network of a run, in training mode; the same for the same config and seed.

    Args:
        config: of the run.
        channels: of the data, input and target.

    Raises:
        ModelError, CheckpointError: no such network, or a checkpoint that does not fit it.
        ConfigError: a network for other channels than the data's, or a pattern that freezes nothing.
    """
    torch.manual_seed(config.seed)
    network = _build(config.network).train()
    wanted = (network.config.in_channels, network.config.out_channels)  # pyright: ignore[reportAttributeAccessIssue]
    if wanted != channels:
        network_has, data_has = (f"{given} and {made}" for given, made in (wanted, channels))
        raise ConfigError(f"the network takes and gives {network_has} channels, the data has {data_has}")
    set_gradient_checkpointing(network, config.gradient_checkpointing)
    freeze(network, config.network.freeze)
    return network


def _build(config: NetworkConfig) -> nn.Module:
    if config.init is None:
        return create_network(config.name or "", **config.overrides)
    initial = load_network(find_model(config.init), **(config.overrides if config.name is None else {}))
    if config.name is None:
        return initial
    network = create_network(config.name, **config.overrides)
    try:
        network.load_state_dict(initial.state_dict())
    except RuntimeError:
        raise ConfigError(
            f"{config.init}: its weights do not fit {config.name}; with network.name=null its own architecture is taken"
        ) from None
    return network


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Keep the parameters that match from training.

    Args:
        network: whose parameters.
        patterns: names of parameters or of modules that hold them, or shell patterns of such names.

    Raises:
        ConfigError: a pattern that matches nothing, or nothing is left to train.
    """
    for pattern in patterns:
        matching = [parameter for name, parameter in network.named_parameters() if _matches(name, pattern)]
        if not matching:
            known = [name for name, _ in network.named_children()]
            raise ConfigError(f"network.freeze: nothing is called '{pattern}'.{did_you_mean(pattern, known)}")
        for parameter in matching:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError("network.freeze leaves nothing to train")


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)
