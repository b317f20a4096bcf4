"""Attention inside windows by PyTorch's operators."""

from collections.abc import Callable

from einops import rearrange
from torch import Tensor


def attend(
    q: Tensor,
    kv: Tensor,
    bias: Tensor,
    weighting: Callable[[Tensor], Tensor],
    window: int,
    masked: tuple[Tensor, Tensor] | Tensor | None,
) -> Tensor:
    """Mix the values of each window by weighting(q·kᵀ/√(C/heads) + bias + mask).

    Args:
        q: (B, C, H, W), heads consecutive in C; whole windows, of this side, cover it, already shifted.
        kv: (B, 2C, H, W), keys before values.
        bias: (heads, N, N), N = window².
        weighting: from logits (B, windows, heads, N, N) to weights.
        masked: what is added to the logits of all windows, (windows, N, N), or of some: which, and what.

    Returns:
        (B, C, H, W).
    """
    rows, columns = q.shape[-2] // window, q.shape[-1] // window
    sides = {"i": window, "j": window, "h": len(bias)}
    q = rearrange(q, "b (h c) (y i) (x j) -> b (y x) h (i j) c", **sides)
    k, v = rearrange(kv, "b (kv h c) (y i) (x j) -> kv b (y x) h (i j) c", kv=2, **sides)

    logits = (q * q.shape[-1] ** -0.5) @ k.mT
    logits += bias
    if isinstance(masked, Tensor):
        logits += masked[:, None].to(logits.dtype)
    elif masked is not None:
        index, mask = masked
        mask = mask[None, :, None].to(logits.dtype).expand(len(logits), -1, len(bias), -1, -1)
        logits.index_add_(1, index, mask)

    mixed = weighting(logits).to(v.dtype) @ v
    return rearrange(mixed, "b (y x) h (i j) c -> b (h c) (y i) (x j)", y=rows, x=columns, **sides)
