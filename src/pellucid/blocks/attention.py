"""*Where* attention looks: in windows of pixels, or across channels. *How* it weighs is ``weighting``'s.

Window × softmax is Swin's attention; window × adaptive sparse is ASSA (AST §3.2); transposed ×
softmax is MDTA (Restormer §3.1); transposed × top-k is DRSformer's; transposed × modulated is ASTv2's.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from pellucid.blocks.convolution import Pointwise
from pellucid.blocks.memory import Memory
from pellucid.blocks.norm import Norm
from pellucid.blocks.weighting import Mixture
from pellucid.blocks.window import border_mask, full_border_mask, pad_to_windows, relative_position_index
from pellucid.kernels import channel_attention, convolution, window_attention
from pellucid.kernels.channel_attention import reference as channel_reference
from pellucid.kernels.convolution import reference as convolution_reference
from pellucid.kernels.window_attention import reference as window_reference
from pellucid.kernels.window_attention import training as window_training


class WindowAttention(nn.Module):
    """Self-attention among the pixels of each window: (B, C, H, W) → (B, C, H, W), any H and W.

    Windows that the border cuts are filled with tokens that nothing can see, so the image itself is
    never padded to whole windows.

    Args:
        dim: channels C, shared out among ``heads`` in order.
        heads: number of heads; divides ``dim``.
        weighting: from logits (B·windows, heads, N, N) to weights, N = window².
        window: side of a window.
        shift: how far the windows are displaced (cyclically) up and left; 0 or window // 2.
    """

    kernel = window_attention

    def __init__(self, dim: int, heads: int, weighting: nn.Module, *, window: int = 8, shift: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.query = Pointwise(dim, dim)
        self.key_value = Pointwise(dim, 2 * dim)
        self.bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        self.bias_index: Tensor
        self.register_buffer("bias_index", relative_position_index(window), persistent=False)
        self.weighting = weighting
        self.project = Pointwise(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.weighting, Mixture) and self.kernel.applies(x, self.heads):
            return self.project(self._attend_fused(x, self.weighting))

        height, width = x.shape[-2:]
        x = pad_to_windows(x, self.window)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(2, 3))

        mask = full_border_mask if torch.compiler.is_exporting() else border_mask
        masked = mask(height, width, self.window, self.shift, x.device)
        q, kv = self.query(x), self.key_value(x)
        x = window_reference.attend(q, kv, self._bias(), self.weighting, self.window, masked)

        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(2, 3))
        return self.project(x[..., :height, :width])

    def _attend_fused(self, x: Tensor, weighting: Mixture) -> Tensor:
        """By one kernel, which cuts, pads and shifts as it reads."""
        q, kv, mixture = self.query(x), self.key_value(x), weighting.factors()
        return self.kernel.attend(q, kv, self._bias(), mixture, self._windows, squared=weighting.squared)

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """See ``memory.Fusible``."""
        if not isinstance(self.weighting, Mixture):
            return None
        layers, windows, squared = (self.query, self.key_value, self.project), self._windows, self.weighting.squared
        if self.kernel.adds(x, self.query, windows):
            weights, into = (self._bias(), self.weighting.factors()), memory.over(x)
            return self.kernel.add(x, norm, *layers, *weights, windows, squared=squared, into=into)
        if norm.bias is not None and window_training.applies(x, self.query, windows):
            weights = self._bias(), self.weighting.factors()
            return window_training.add(x, norm, *layers, *weights, windows, squared=squared)
        return None

    @property
    def _windows(self) -> window_attention.Windows:
        return window_attention.Windows(heads=self.heads, window=self.window, shift=self.shift)

    def _bias(self) -> Tensor:
        """What a pair's places in the window add to its logit: (heads, N, N), N = window²."""
        return self.bias_table[self.bias_index].permute(2, 0, 1)


class TransposedAttention(nn.Module):
    """Self-attention among channels, over the whole image: (B, C, H, W) → (B, C, H, W).

    Its cost is linear in the number of pixels. q and k have unit length along space, so a logit is a
    cosine times a learned temperature per head.

    Args:
        dim: channels C, shared out among ``heads`` in order.
        heads: number of heads; divides ``dim``.
        weighting: from logits (B, heads, C/heads, C/heads) to weights.
        bias: whether the convolutions have biases.
    """

    kernel = channel_attention

    def __init__(self, dim: int, heads: int, weighting: nn.Module, *, bias: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = Pointwise(dim, 3 * dim, bias=bias)
        self.qkv_depthwise = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.weighting = weighting
        self.project = Pointwise(dim, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv_depthwise(self.qkv(x))
        if self.kernel.attends(qkv, self.heads):
            return self.project(self.kernel.attend(qkv, self.temperature, self.weighting, self.heads))
        return self.project(channel_reference.attend(qkv, self.temperature, self.weighting, self.heads))

    def added_to(self, x: Tensor, norm: Norm, memory: Memory) -> Tensor | None:
        """See ``memory.Fusible``."""
        if not self.kernel.applies(x, self.qkv_depthwise.weight):
            return None
        before = norm if self.kernel.takes_linear(x) else None
        seen = x if before else norm(x)
        v, cosines = self.kernel.cosines(seen, self.qkv, self.qkv_depthwise, self.heads, before, into=memory.like(x))
        weights = self.weighting(cosines * self.temperature)
        # weights and projection are one matrix for each image
        project = rearrange(self.project.weight, "o (h c) 1 1 -> h o c", h=self.heads)
        matrix = rearrange(project @ weights.to(project.dtype), "b h o c -> b o (h c)").to(v.dtype)
        if self.project.bias is not None:
            x = x + self.project.bias[:, None, None]
        if convolution.applies(v, self.project.weight):
            added = convolution.add_product(x, matrix, v, into=memory.over(x))
        else:
            added = convolution_reference.add_product(x, matrix, v)
        memory.take_back(v)
        return added
