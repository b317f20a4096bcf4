"""Dense convolutions, and linear layers at every pixel."""

import torch
from torch import Tensor, nn

from pellucid.kernels import convolution
from pellucid.kernels.convolution import patches, products
from pellucid.kernels.dispatch import is_traced


class Convolution(nn.Conv2d):
    """``nn.Conv2d``, square and of one group, by the kernel or by products of patches where that is quicker."""

    kernel = convolution

    def forward(self, input: Tensor) -> Tensor:
        if self.kernel.applies(input, self.weight):
            return self.kernel.convolve(input, self)
        if patches.applies(input, self):
            return patches.convolve(input, self)
        return super().forward(input)


class Pointwise(Convolution):
    """A 1×1 convolution: (B, C, H, W) → (B, out_dim, H, W).

    On one thread of a CPU, PyTorch takes these for what its oldest code does best, which copies channels-last images to
    another layout and back; oneDNN, which it takes for all others, is three times as fast. Where there are gradients,
    matrix products are.
    """

    def __init__(self, dim: int, out_dim: int, *, bias: bool = True) -> None:
        super().__init__(dim, out_dim, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if products.applies(input, self):
            return products.linear(input, self.weight, self.bias)
        if _would_be_copied(input) and not self.kernel.applies(input, self.weight):
            return torch.mkldnn_convolution(input, self.weight, self.bias, (0, 0), (1, 1), (1, 1), 1)
        return super().forward(input)


def _would_be_copied(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.get_num_threads() == 1
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not is_traced()
    )
