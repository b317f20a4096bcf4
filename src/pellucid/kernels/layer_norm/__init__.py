"""Layer normalisation over channels."""

from pellucid.kernels.layer_norm.op import SOURCE, applies, divide, divides, normalise

__all__ = ["SOURCE", "applies", "divide", "divides", "normalise"]
