"""The middle of gated feed-forward networks: GELUs, a depthwise convolution and the gate."""

from pellucid.kernels.depthwise_gate.op import SOURCE, applies, gate
from pellucid.kernels.depthwise_gate.reference import Gate

__all__ = ["SOURCE", "Gate", "applies", "gate"]
