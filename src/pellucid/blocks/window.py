"""Cutting an image into square windows, and what the border does to them (Swin Transformer §3.2)."""

from functools import lru_cache

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

CROSS_REGION_LOGIT = -100.0  # Swin's value; checkpoints were trained with it, so it is not −∞


def pad_to_windows(x: Tensor, window: int) -> Tensor:
    """Grow (B, C, H, W) with zeros at the bottom and right until whole windows cover it."""
    height, width = x.shape[-2:]
    bottom, right = whole_windows(height, window) - height, whole_windows(width, window) - width
    return x if is_known(bottom == 0) and is_known(right == 0) else F.pad(x, (0, right, 0, bottom))


def whole_windows(size: int, window: int) -> int:
    """The side that whole windows need to cover ``size``."""
    return (size + window - 1) // window * window  # not -(-size // window): ONNX rounds quotients towards 0


def is_known(condition: bool | torch.SymBool) -> bool:
    """Whether this holds of all sizes that an image may have: while a network is exported they are symbols."""
    if isinstance(condition, bool):
        return condition
    from torch.fx.experimental.symbolic_shapes import statically_known_true  # takes a second to import

    return statically_known_true(condition)


def relative_position_index(window: int) -> Tensor:
    """Row of the bias table for each (query, key) pair of a window: (N, N), N = window².

    The row is (Δy + w − 1)·(2w − 1) + (Δx + w − 1) with Δ = query − key.
    """
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    dy = y[:, None] - y[None, :] + window - 1
    dx = x[:, None] - x[None, :] + window - 1
    return dy * (2 * window - 1) + dx


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # a cached inference tensor could not be used in training later
def border_mask(height: int, width: int, window: int, shift: int, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """What to add to the logits of the windows in which not every token may see every other.

    The image of (height, width) is taken to be padded to whole windows at the bottom and right, then
    rolled by −shift. In a window where the roll joins opposite edges, pairs from different regions
    get −100, as in Swin; padded tokens get −∞ as keys, so nothing is read from them.

    Returns:
        ``(index, mask)``: which windows, (n,), in row-major order, and their masks, (n, N, N); or
        None when no window needs one. Only these few are stored: a mask for each window of a large
        image would outweigh the image.
    """
    region, padded = _regions(height, width, window, shift)
    mixed = (region != region[:, :1]).any(1) | padded.any(1)
    index = mixed.nonzero().squeeze(1)
    if not len(index):
        return None
    return index.to(device), _mask(region[index], padded[index]).to(device)


def full_border_mask(height: int, width: int, window: int, shift: int, device: torch.device) -> Tensor | None:
    """As ``border_mask``, but of sizes that may be symbols, and so for all windows: (windows, N, N)."""
    if not shift and is_known(height % window == 0) and is_known(width % window == 0):
        return None
    return _mask(*_regions(height, width, window, shift)).to(device)


def _regions(height: int, width: int, window: int, shift: int) -> tuple[Tensor, Tensor]:
    """Of each window's tokens, (windows, N): which regions they are from, and whether they are padding."""
    row_region, row_padded = _edge_regions(height, window, shift)
    column_region, column_padded = _edge_regions(width, window, shift)
    region = row_region[:, None] * 3 + column_region[None, :]
    padded = row_padded[:, None] | column_padded[None, :]
    sides = {"i": window, "j": window}
    return (
        rearrange(region, "(y i) (x j) -> (y x) (i j)", **sides),
        rearrange(padded, "(y i) (x j) -> (y x) (i j)", **sides),
    )


def _mask(region: Tensor, padded: Tensor) -> Tensor:
    """What to add to the logits of windows, (n, N, N), by their tokens' regions and padding, (n, N)."""
    mask = torch.zeros(*region.shape, region.shape[1], device="cpu")
    mask = mask.masked_fill(region[:, :, None] != region[:, None, :], CROSS_REGION_LOGIT)
    return mask.masked_fill(padded[:, None, :], -torch.inf)


def _edge_regions(size: int, window: int, shift: int) -> tuple[Tensor, Tensor]:
    """Along one axis after padding and rolling: each position's region (0, 1 or 2), and whether it is padding."""
    padded_size = whole_windows(size, window)
    position = torch.arange(padded_size, device="cpu")
    region = (position >= padded_size - window).long() + (position >= padded_size - shift).long()
    if not shift:
        region.zero_()
    return region, torch.roll(position >= size, -shift)
