"""The middle of Restormer's and ASTv2's feed-forward networks."""

from pellucid.kernels.depthwise_gate.op import SOURCE, applies, gate

__all__ = ["SOURCE", "applies", "gate"]
