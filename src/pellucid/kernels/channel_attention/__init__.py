"""Attention among channels, over all pixels."""

from pellucid.kernels.channel_attention.op import SOURCE, WIDEST, applies, attend, attends, cosines, takes_linear

__all__ = ["SOURCE", "WIDEST", "applies", "attend", "attends", "cosines", "takes_linear"]
