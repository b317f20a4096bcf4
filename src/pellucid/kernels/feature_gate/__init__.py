"""The middle of AST's feed-forward network."""

from pellucid.kernels.feature_gate.op import SOURCE, applies, gate

__all__ = ["SOURCE", "applies", "gate"]
