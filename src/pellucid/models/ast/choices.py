"""What AST's blocks can be made of: one row for each attention and each feed-forward network.

A config names a row, the ablation trains those with a title, and where a file records no config, its tensors tell which
row it was: they are compared with what each row builds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn

from pellucid.blocks.attention import TransposedAttention, WindowAttention
from pellucid.blocks.condensed import CondensedAttention
from pellucid.blocks.feedforward import DFN, FFN, FRFN, GDFN, GroupedFRFN, LeFF
from pellucid.blocks.weighting import AdaptiveSparse, Modulated, Softmax, Sparse, TopK


@dataclass(frozen=True, kw_only=True)
class Attention:
    """One *where* with one *how*.

    Attributes:
        where: in windows of pixels, between channels ("transposed"), or on a condensed image.
        how: from the length of a row of logits to what weighs them; "condensed" has its own.
        title: in the ablation's table; none if it is not there.
        taken_for: the row of the same tensors, if there is one, for which a file is taken that records no config: no
            shape tells the two apart.
    """

    where: Literal["window", "transposed", "condensed"]
    how: Callable[[int], nn.Module] = lambda keys: nn.Identity()
    title: str = ""
    taken_for: str | None = None

    def build(self, width: int, heads: int, *, window: int, shift: int, stride: int) -> nn.Module:
        """The attention of a stage with ``width`` channels that is ``stride`` times as fine as the bottleneck."""
        if self.where == "window":
            return WindowAttention(width, heads, self.how(window**2), window=window, shift=shift)
        if self.where == "transposed":
            return TransposedAttention(width, heads, self.how(width // heads))
        return CondensedAttention(width, heads, stride=stride)


@dataclass(frozen=True, kw_only=True)
class FeedForward:
    """One feed-forward network.

    Attributes:
        build: from its width and its hidden width.
        title: in the ablation's table; none if it is not there.
        multiple: every width must be a multiple of this.
    """

    build: Callable[[int, int], nn.Module]
    title: str = ""
    multiple: int = 1


ATTENTIONS: dict[str, Attention] = {
    "swin": Attention(where="window", how=lambda keys: Softmax(), title="Swin (ASSA's dense half)"),
    "sparse": Attention(where="window", how=lambda keys: Sparse(), title="ASSA's sparse half", taken_for="swin"),
    "topk": Attention(where="transposed", how=lambda keys: TopK(), title="Top-k"),
    "condensed": Attention(where="condensed", title="Condensed"),
    "assa-relu": Attention(
        where="window", how=lambda keys: AdaptiveSparse(squared=False), title="ASSA with ReLU", taken_for="assa"
    ),
    "assa": Attention(where="window", how=lambda keys: AdaptiveSparse(), title="ASSA"),  # the paper's
    "mdta": Attention(where="transposed", how=lambda keys: Softmax()),  # Restormer's
    "modulated": Attention(where="transposed", how=Modulated),  # ASTv2's
}
FEEDFORWARDS: dict[str, FeedForward] = {
    "ffn": FeedForward(build=FFN, title="FFN"),
    "dfn": FeedForward(build=DFN, title="DFN"),
    "gdfn": FeedForward(build=GDFN, title="GDFN"),
    "leff": FeedForward(build=LeFF, title="LeFF"),
    "frfn-no-partial": FeedForward(
        build=lambda dim, hidden: FRFN(dim, hidden, partial=False), title="FRFN without PConv"
    ),
    "frfn-no-depthwise": FeedForward(
        build=lambda dim, hidden: FRFN(dim, hidden, depthwise=False), title="FRFN without DWConv"
    ),
    "frfn": FeedForward(build=FRFN, title="FRFN"),  # the paper's
    "frfn-grouped": FeedForward(build=GroupedFRFN, multiple=2 * GroupedFRFN.GROUPS),  # ASTv2's
}


def tell_attention(state: Mapping[str, Tensor]) -> str:
    """The name of the row whose tensors are most nearly those of a network's attentions, under our names."""
    found = {name for key in state if (name := key.partition(".attention.")[2])}
    rows = [name for name, row in ATTENTIONS.items() if row.taken_for is None]
    return min(rows, key=lambda name: len(attention_tensors(name) ^ found))


def tell_feedforward(state: Mapping[str, Tensor], widths: Mapping[str, tuple[int, int]]) -> str:
    """The name of the row whose tensors are most nearly those of a network's first blocks.

    Args:
        state: under our names.
        widths: prefix of a block's feed-forward network → its width and its hidden width.
    """

    def differing(name: str) -> int:
        count = 0
        for prefix, (width, hidden) in widths.items():
            found = {(key, tensor.shape) for key, tensor in state.items() if key.startswith(prefix)}
            with torch.device("meta"):
                built = FEEDFORWARDS[name].build(width, hidden).state_dict()
            count += len({(prefix + key, tensor.shape) for key, tensor in built.items()} ^ found)
        return count

    fitting = [
        name for name, row in FEEDFORWARDS.items() if all(width % row.multiple == 0 for width, _ in widths.values())
    ]
    return min(fitting, key=differing)


@cache
def attention_tensors(name: str) -> frozenset[str]:
    """Names of the tensors that an attention of this row has."""
    with torch.device("meta"):
        return frozenset(ATTENTIONS[name].build(4, 1, window=2, shift=0, stride=1).state_dict())
