"""What a family of networks is to the rest of the package, and how weights are renamed."""

import math
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pellucid.errors import ModelError

State = dict[str, Tensor]

TRANSPOSED_BLOCK = (  # the authors' names in a block of Restormer or ASTv2, and ours
    ("norm1.body", "norm1"),
    ("norm2.body", "norm2"),
    ("attn", "attention"),
    ("attention.qkv_dwconv", "attention.qkv_depthwise"),
    ("attention.project_out", "attention.project"),
    ("ffn", "feedforward"),
    ("feedforward.project_in", "feedforward.expand"),
    ("feedforward.dwconv", "feedforward.depthwise"),
    ("feedforward.project_out", "feedforward.project"),
)


@dataclass(frozen=True)
class Family:
    """One architecture: how to build it, and how to know it from its tensors.

    Attributes:
        name: as stored in our files and shown to people.
        config: a frozen keyword-only dataclass that holds all that changes the output.
        network: an ``nn.Module`` built from one config.
        variants: published sizes by name.
        renaming: between the authors' keys and ours.
        from_official: renames a whole state of the authors', checking and dropping their constant buffers.
        to_official: the way back.
        recognises: whether a state with *our* keys, of which only the names matter, is of this family.
        infer_config: the config from shapes of a state with our keys, and what had to be assumed.
    """

    name: str
    config: type
    network: Callable[[Any], nn.Module]
    variants: Mapping[str, Any]
    renaming: "Renaming"
    from_official: Callable[[State], State]
    to_official: Callable[[State], State]
    recognises: Callable[[Container[str]], bool]
    infer_config: Callable[[State], "Inferred"]


@dataclass(frozen=True)
class Inferred:
    """A config read from tensor shapes; ``assumed`` names the fields that shapes cannot tell, with their defaults."""

    config: Any
    assumed: Mapping[str, Any]


class Renaming:
    """A bijection between the authors' keys and ours, as pairs of dotted fragments.

    A fragment matches whole dot-separated parts only: ``norm`` does not touch ``norm1``. Pairs apply
    in order, and in reverse order on the way back.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        pairs = list(pairs)
        self._to_ours = [(_whole_parts(official), ours) for official, ours in pairs]
        self._to_official = [(_whole_parts(ours), official) for official, ours in reversed(pairs)]

    def to_ours(self, key: str) -> str:
        return _replace(key, self._to_ours)

    def to_official(self, key: str) -> str:
        return _replace(key, self._to_official)


def _whole_parts(fragment: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^.]){re.escape(fragment)}(?![^.])")


def _replace(key: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, fragment in rules:
        key = pattern.sub(fragment, key, count=1)
    return key


def count_blocks(state: State, prefix: str) -> int:
    """Number of consecutive children 0, 1, 2… under ``prefix`` that hold a tensor."""
    found = {int(m[1]) for key in state if (m := re.match(rf"{re.escape(prefix)}\.(\d+)\.", key))}
    depth = 0
    while depth in found:
        depth += 1
    return depth


def infer_expansion(widths: Sequence[tuple[int, int]], usual: Sequence[float]) -> float:
    """The expansion factor f for which hidden = int(dim·f) at every (dim, hidden).

    Several factors may give the same integers and so the same network: one of ``usual`` is preferred,
    then the shortest decimal.
    """
    low = max(hidden / dim for dim, hidden in widths)
    high = min((hidden + 1) / dim for dim, hidden in widths)
    fits = [f for f in usual if low <= f < high]
    if fits:
        return float(fits[0])
    for decimals in range(8):
        candidate = round(math.ceil(low * 10**decimals - 1e-9) / 10**decimals, decimals)
        if low <= candidate < high:
            return candidate
    return low


def require(condition: bool, message: str) -> None:
    """Raise ModelError unless the condition of a config holds."""
    if not condition:
        raise ModelError(message)


def check_levels(config: Any, levels: int) -> None:
    """Make tuples of a config's blocks and heads of levels, each twice as wide as the one before, and check them."""
    for name in ("num_blocks", "num_heads"):
        object.__setattr__(config, name, tuple(getattr(config, name)))
    blocks, heads = config.num_blocks, config.num_heads
    require(len(blocks) == levels and min(blocks) >= 1, f"num_blocks must be {levels} counts ≥ 1: {blocks}")
    require(config.num_refinement_blocks >= 1, "num_refinement_blocks must be at least 1")
    require(len(heads) == levels, f"num_heads must list {levels} levels: {heads}")
    require(config.ffn_expansion * config.dim >= 1, f"ffn_expansion is too small: {config.ffn_expansion}")
    for level, count in enumerate(heads):
        width = config.dim * 2**level
        require(count >= 1 and width % count == 0, f"{count} heads do not divide a width of {width}")
