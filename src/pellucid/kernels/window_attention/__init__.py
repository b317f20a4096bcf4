"""Attention inside windows, with its linear layers and normalisation or without."""

from pellucid.kernels.window_attention.op import SOURCE, WIDEST, Windows, add, adds, applies, attend

__all__ = ["SOURCE", "WIDEST", "Windows", "add", "adds", "applies", "attend"]
