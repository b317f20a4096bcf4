"""Dense convolutions, and linear layers at every pixel."""

from pellucid.kernels.convolution.op import SOURCE, add_product, applies, convolve

__all__ = ["SOURCE", "add_product", "applies", "convolve"]
