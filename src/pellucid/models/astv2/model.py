"""ASTv2: AST's asymmetry and sparsity, moved from windows to channels (TPAMI 2025).

As in AST the encoder has no attention. The decoder attends across channels, its dense weights scaled
and shifted by what a sparse branch sees; the feed-forward network refines every channel group with
shared filters. The network predicts what to add to the degraded image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pellucid.blocks.attention import TransposedAttention
from pellucid.blocks.convolution import Pointwise
from pellucid.blocks.feedforward import GroupedFRFN
from pellucid.blocks.norm import BiasFreeLayerNorm, LayerNorm
from pellucid.blocks.resample import pad_to_multiple, shuffle_downsample, shuffle_upsample
from pellucid.blocks.transformer import Stage, TransformerBlock, hand_over
from pellucid.blocks.weighting import Modulated
from pellucid.models.family import check_levels, require

LEVELS = 3  # resolutions; widths are C, 2C, 4C


@dataclass(frozen=True, kw_only=True)
class ASTv2Config:
    """All that changes ASTv2's output.

    Attributes:
        channels: of the image, in and out.
        dim: width C at full resolution, in multiples of 24.
        num_blocks: blocks in levels 1-3, of the encoder and of the decoder.
        num_refinement_blocks: blocks after the decoder, at full resolution.
        num_heads: of the decoder's levels 1-3; the encoder has no attention.
        ffn_expansion: hidden width of the feed-forward network over its width.
        bias: whether convolutions in blocks, reductions and the output have biases.
        bias_free_norm: divide by the standard deviation only (the authors' ``BiasFree``).
    """

    channels: int = 3
    dim: int = 48
    num_blocks: tuple[int, ...] = (2, 4, 6)
    num_refinement_blocks: int = 2
    num_heads: tuple[int, ...] = (2, 4, 8)
    ffn_expansion: float = 4.0
    bias: bool = False
    bias_free_norm: bool = False

    def __post_init__(self) -> None:
        require(self.channels >= 1, f"channels must be at least 1, not {self.channels}")
        require(self.dim >= 24 and self.dim % 24 == 0, f"dim must be a multiple of 24, not {self.dim}")
        check_levels(self, LEVELS)

    @property
    def in_channels(self) -> int:
        """Channels of the images it takes."""
        return self.channels

    @property
    def out_channels(self) -> int:
        """Channels of the images it gives."""
        return self.channels


class ASTv2(nn.Module):
    """Images (B, C, H, W), any H, W ≥ 1, nominally in [0, 1] → restored images of the same size, unclamped."""

    stride = 2 ** (LEVELS - 1)  # H and W are padded by reflection to multiples of this

    def __init__(self, config: ASTv2Config) -> None:
        super().__init__()
        self.config = config
        self.alignment = self.stride  # of tiles, for the same result as the whole image but at their edges
        dim, bias, heads = config.dim, config.bias, config.num_heads
        blocks = config.num_blocks

        self.embed = nn.Conv2d(config.channels, dim, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(_encoder_stage(config, dim * 2**level, blocks[level]) for level in range(LEVELS))
        self.downsample = nn.ModuleList(shuffle_downsample(dim * 2**level) for level in range(LEVELS - 1))
        self.upsample = nn.ModuleList(shuffle_upsample(width) for width in (4 * dim, 2 * dim))
        # no reduction at full resolution: the last decoder and the refinement run at 2C
        self.reduce = nn.ModuleList([Pointwise(4 * dim, 2 * dim, bias=bias), nn.Identity()])
        self.decoder = nn.ModuleList(
            _decoder_stage(config, width, heads[level], blocks[level])
            for width, level in ((4 * dim, 2), (2 * dim, 1), (2 * dim, 0))
        )
        self.refinement = _decoder_stage(config, 2 * dim, heads[0], config.num_refinement_blocks)
        hand_over([*self.reduce, self.decoder[-1]], [*self.decoder[1:], self.refinement])
        self.output = nn.Conv2d(2 * dim, config.channels, 3, padding=1, bias=bias)

    def forward(self, image: Tensor) -> Tensor:
        x = pad_to_multiple(image, self.stride).contiguous(memory_format=torch.channels_last)
        x = self.embed(x)

        skips: list[Tensor] = []
        for stage, downsample in zip(self.encoder, self.downsample, strict=False):
            x = stage(x)
            skips.append(x)
            x = downsample(x)

        deepest_encoder, deepest_decoder = self.encoder[-1], self.decoder[0]
        x = deepest_decoder(deepest_encoder(x))

        for upsample, reduce, stage in zip(self.upsample, self.reduce, self.decoder[1:], strict=True):
            x = stage(reduce(torch.cat([upsample(x), skips.pop()], dim=1)))

        residual = self.output(self.refinement(x))
        return image + residual[..., : image.shape[-2], : image.shape[-1]]


def _encoder_stage(config: ASTv2Config, width: int, depth: int) -> Stage:
    return Stage(TransformerBlock(width, None, _feedforward(config, width), norm=_norm(config)) for _ in range(depth))


def _decoder_stage(config: ASTv2Config, width: int, heads: int, depth: int) -> Stage:
    return Stage(
        TransformerBlock(
            width,
            TransposedAttention(width, heads, Modulated(width // heads, bias=config.bias), bias=config.bias),
            _feedforward(config, width),
            norm=_norm(config),
        )
        for _ in range(depth)
    )


def _feedforward(config: ASTv2Config, width: int) -> nn.Module:
    return GroupedFRFN(width, int(width * config.ffn_expansion), bias=config.bias)


def _norm(config: ASTv2Config) -> type[nn.Module]:
    return BiasFreeLayerNorm if config.bias_free_norm else LayerNorm
