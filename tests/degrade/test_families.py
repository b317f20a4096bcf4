"""Families that are trained on, and those that are kept for validation."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from pellucid.degrade import DEGRADATIONS, create_degradation
from pellucid.degrade.compose import has_lengths

SCALED = [
    (name, family)
    for name in ("raindrop", "defocus", "motion")
    for family in DEGRADATIONS[name].families
    if has_lengths(name, family)
]


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers(each, key)
    elif isinstance(value, tuple):
        for each in value:
            yield from numbers(each, name)
    else:
        yield name, value


@pytest.mark.parametrize("name", ["raindrop", "defocus", "motion"])
def test_any_draws_all_families_but_the_unseen(name: str) -> None:
    every = create_degradation(name, family="any")
    rng = torch.Generator().manual_seed(0)
    drawn = {every.sample(rng)[0] for _ in range(200)}
    families, unseen = DEGRADATIONS[name].families, DEGRADATIONS[name].unseen
    assert drawn == {name, *families} - {unseen}
    assert unseen in families


@pytest.mark.parametrize(("name", "family"), SCALED)
def test_scale_multiplies_lengths_and_nothing_else(name: str, family: str) -> None:
    renderer: Any = DEGRADATIONS[name].families[family]
    small, large = (one.sample(torch.Generator().manual_seed(5)) for one in (renderer, replace(renderer, scale=2.0)))
    ratios = {
        key: b / a
        for (key, a), (_, b) in zip(numbers(asdict(small)), numbers(asdict(large)), strict=True)
        if a and key != "softness"  # of an edge, at least a pixel
    }
    assert all(ratio in (pytest.approx(1), pytest.approx(2)) for ratio in ratios.values())
    assert any(ratio == pytest.approx(2) for ratio in ratios.values())
