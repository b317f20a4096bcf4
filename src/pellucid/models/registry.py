"""Which families and sizes there are. A new family is one folder and one line here."""

from dataclasses import fields, replace
from typing import Any

import torch
from torch import nn

from pellucid.errors import ModelError, did_you_mean
from pellucid.models.ast.official import FAMILY as AST
from pellucid.models.astv2.official import FAMILY as ASTV2
from pellucid.models.family import Family
from pellucid.models.restormer.official import FAMILY as RESTORMER

FAMILIES: dict[str, Family] = {family.name: family for family in (AST, ASTV2, RESTORMER)}


def variants() -> dict[str, Any]:
    """Every published size: its name → its config."""
    return {name: config for family in FAMILIES.values() for name, config in family.variants.items()}


def create_network(name: str, **overrides: Any) -> nn.Module:
    """Build an untrained network, in training mode, by the name of a published size.

    Args:
        name: ``"ast-t"``, ``"ast-b"``, ``"ast-m"``, ``"astv2-s"``, ``"astv2-l"`` or ``"restormer"``.
        **overrides: fields of that family's config, for example ``depths=(1,) * 9``.

    Returns:
        A network from images (B, C, H, W) to restored images of the same size; ``.config`` holds its config.

    Raises:
        ModelError: an unknown name or field, or values that no network can have.
    """
    config = variants().get(name)
    if config is None:
        raise ModelError(f"Unknown network '{name}'.{did_you_mean(name, variants())}")
    return build(with_overrides(config, overrides))


def family_of(config: Any) -> Family:
    """The family whose config this is."""
    return next(family for family in FAMILIES.values() if type(config) is family.config)


def build(config: Any) -> nn.Module:
    """Build the untrained network of a config, stored channels-last."""
    network = family_of(config).network(config)
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def with_overrides(config: Any, overrides: dict[str, Any]) -> Any:
    """The config with some fields replaced; an unknown field is a ModelError that names the nearest."""
    known = [field.name for field in fields(config)]
    for key in overrides:
        if key not in known:
            raise ModelError(f"{type(config).__name__} has no field '{key}'.{did_you_mean(key, known)}")
    try:
        return replace(config, **overrides)
    except (TypeError, ValueError) as error:  # of a kind that no network can have, such as depths=3
        raise ModelError(f"{type(config).__name__}: {error}") from None
