"""Restormer: a U-Net of transformer blocks that attend across channels (Zamir et al., CVPR 2022, §3).

Attention between channels (MDTA) costs linear time in the pixels, so it runs at full resolution too;
a gated depthwise feed-forward network (GDFN) follows it. The network predicts what to add to the
degraded image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pellucid.blocks.attention import TransposedAttention
from pellucid.blocks.convolution import Pointwise
from pellucid.blocks.feedforward import GDFN
from pellucid.blocks.norm import BiasFreeLayerNorm, LayerNorm
from pellucid.blocks.resample import pad_to_multiple, shuffle_downsample, shuffle_upsample
from pellucid.blocks.transformer import Stage, TransformerBlock, hand_over
from pellucid.blocks.weighting import Softmax
from pellucid.models.family import check_levels, require

LEVELS = 3  # down-samplings; widths are C, 2C, 4C, and 8C in the latent


@dataclass(frozen=True, kw_only=True)
class RestormerConfig:
    """All that changes Restormer's output.

    Attributes:
        in_channels, out_channels: of the image; the same, unless ``dual_pixel``.
        dim: width C at full resolution.
        num_blocks: blocks in the encoder's levels 1-3 (the decoder mirrors them) and in the latent.
        num_refinement_blocks: blocks after the decoder, at full resolution.
        num_heads: in levels 1-3 and the latent.
        ffn_expansion: hidden width of GDFN over its width.
        bias: whether convolutions in blocks, reductions and the output have biases.
        bias_free_norm: divide by the standard deviation only (the authors' ``BiasFree``, for denoising).
        dual_pixel: two views in, one picture out (defocus deblurring): the input is not added at the end.
    """

    in_channels: int = 3
    out_channels: int = 3
    dim: int = 48
    num_blocks: tuple[int, ...] = (4, 6, 6, 8)
    num_refinement_blocks: int = 4
    num_heads: tuple[int, ...] = (1, 2, 4, 8)
    ffn_expansion: float = 2.66
    bias: bool = False
    bias_free_norm: bool = False
    dual_pixel: bool = False

    def __post_init__(self) -> None:
        require(min(self.in_channels, self.out_channels) >= 1, "in_channels and out_channels must be at least 1")
        require(self.dim >= 2 and self.dim % 2 == 0, f"dim must be even, not {self.dim}")
        check_levels(self, LEVELS + 1)
        require(
            self.dual_pixel or self.in_channels == self.out_channels,
            "in_channels and out_channels differ: only dual_pixel networks do not add the input at the end",
        )


class Restormer(nn.Module):
    """Images (B, C, H, W), any H, W ≥ 1, nominally in [0, 1] → restored images of the same size, unclamped."""

    stride = 2**LEVELS  # H and W are padded by reflection to multiples of this

    def __init__(self, config: RestormerConfig) -> None:
        super().__init__()
        self.config = config
        self.alignment = self.stride  # of tiles, for the same result as the whole image but at their edges
        dim, bias, heads = config.dim, config.bias, config.num_heads
        blocks = config.num_blocks

        self.embed = nn.Conv2d(config.in_channels, dim, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(
            _stage(config, dim * 2**level, heads[level], blocks[level]) for level in range(LEVELS)
        )
        self.downsample = nn.ModuleList(shuffle_downsample(dim * 2**level) for level in range(LEVELS))
        self.latent = _stage(config, 8 * dim, heads[3], blocks[3])
        self.upsample = nn.ModuleList(shuffle_upsample(width) for width in (8 * dim, 4 * dim, 2 * dim))
        # no reduction at full resolution: the last decoder and the refinement run at 2C
        self.reduce = nn.ModuleList(Pointwise(2 * width, width, bias=bias) for width in (4 * dim, 2 * dim))
        self.reduce.append(nn.Identity())
        self.decoder = nn.ModuleList(
            _stage(config, width, heads[level], blocks[level])
            for width, level in ((4 * dim, 2), (2 * dim, 1), (2 * dim, 0))
        )
        self.refinement = _stage(config, 2 * dim, heads[0], config.num_refinement_blocks)
        hand_over([*self.reduce, self.decoder[-1]], [*self.decoder, self.refinement])
        if config.dual_pixel:
            self.skip = Pointwise(dim, 2 * dim, bias=bias)
        self.output = nn.Conv2d(2 * dim, config.out_channels, 3, padding=1, bias=bias)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        x = pad_to_multiple(image, self.stride).contiguous(memory_format=torch.channels_last)
        x = self.embed(x)
        embedded = x if self.config.dual_pixel else None

        skips: list[Tensor] = []
        for stage, downsample in zip(self.encoder, self.downsample, strict=True):
            x = stage(x)
            skips.append(x)
            x = downsample(x)

        x = self.latent(x)

        for upsample, reduce, stage in zip(self.upsample, self.reduce, self.decoder, strict=True):
            x = stage(reduce(torch.cat([upsample(x), skips.pop()], dim=1)))

        x = self.refinement(x)
        if embedded is not None:
            return self.output(x + self.skip(embedded))[..., :height, :width]
        return image + self.output(x)[..., :height, :width]


def _stage(config: RestormerConfig, width: int, heads: int, depth: int) -> Stage:
    return Stage(
        TransformerBlock(
            width,
            TransposedAttention(width, heads, Softmax(), bias=config.bias),
            GDFN(width, int(width * config.ffn_expansion), bias=config.bias),
            norm=BiasFreeLayerNorm if config.bias_free_norm else LayerNorm,
        )
        for _ in range(depth)
    )
