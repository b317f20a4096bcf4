"""Gated feed-forward networks with the normalisation before and the sum after."""

from pellucid.kernels.gated_feedforward.op import SOURCE, add, applies

__all__ = ["SOURCE", "add", "applies"]
