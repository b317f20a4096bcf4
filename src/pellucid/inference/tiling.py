"""Cutting an image into overlapping tiles, and the weights that blend them back: pure arithmetic."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Span = tuple[int, int]  # [start, stop) along one axis


@dataclass(frozen=True)
class Axis:
    """How one axis is covered: spans that overlap their neighbours only, and the blending weights of each.

    At every position the weights of the spans that cover it add up to one.
    """

    spans: tuple[Span, ...]
    weights: tuple[Tensor, ...]


def cover(size: int, *, tile: int, overlap: int, align: int) -> Axis:
    """Cover [0, size) with spans no longer than ``tile``.

    Spans start at multiples of ``align``, so that a network that divides its input into cells of that
    size (its strides, its attention windows) divides a tile as it would the whole image. All spans are
    about equally long: a size just above ``tile`` gives two halves, not a tile and a sliver.

    Args:
        size: length of the axis, ≥ 1.
        tile: longest span, at least ``align`` + ``overlap``.
        overlap: least overlap of neighbours, at most a third of ``tile`` (or three would meet).
        align: what starts are multiples of.
    """
    if size <= tile:
        return Axis(((0, size),), (torch.ones(size),))
    longest_stride = (tile - overlap) // align * align
    count = -(-(size - overlap) // longest_stride)
    stride = -(-(size - overlap) // (count * align)) * align
    starts = [i * stride for i in range(count) if i == 0 or size - i * stride > overlap]
    spans = tuple((start, min(start + stride + overlap, size)) for start in starts)
    return Axis(spans, _blending_weights(spans))


def _blending_weights(spans: tuple[Span, ...]) -> tuple[Tensor, ...]:
    """One everywhere, except where two spans overlap: there a smooth step from the one to the other.

    The outer quarter of each overlap has weight zero: a tile is least certain where it was cut.
    """
    weights = [torch.ones(stop - start) for start, stop in spans]
    for (before, after), ((_, left_stop), (right_start, _)) in zip(pairwise(weights), pairwise(spans), strict=True):
        overlap = left_stop - right_start
        position = (torch.arange(overlap) + 0.5) / overlap
        inner = ((position - 0.25) * 2).clamp(0, 1)
        rising = (1 - torch.cos(torch.pi * inner)) / 2
        after[:overlap] *= rising
        before[len(before) - overlap :] *= 1 - rising
    return tuple(weights)
