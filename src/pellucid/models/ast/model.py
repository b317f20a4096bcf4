"""AST: a U-Net of transformer blocks whose attention can ignore (Zhou et al., CVPR 2024, §3).

The encoder refines features without attention; the bottleneck and the decoder attend in windows,
through a dense and a sparse branch at once (ASSA); every block ends in a feature-refinement
feed-forward network (FRFN). The network predicts what to add to the degraded image.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.blocks.convolution import Convolution
from pellucid.blocks.norm import LayerNorm
from pellucid.blocks.resample import Upsample, pad_to_multiple
from pellucid.blocks.transformer import Stage, TransformerBlock, hand_over
from pellucid.models.ast.choices import ATTENTIONS, FEEDFORWARDS
from pellucid.models.family import require

LEVELS = 4  # down-samplings; widths are C, 2C, 4C, 8C, and 16C in the bottleneck


@dataclass(frozen=True, kw_only=True)
class ASTConfig:
    """All that changes AST's output, and its training-time stochastic depth.

    Attributes:
        channels: of the image, in and out.
        embed_dim: width C of the first level.
        stem: side s of the squares of pixels that are embedded together, 1 in the paper. The first level then has
            1/s of the image's resolution: s² times fewer positions, for a width that can be s times as large.
        depths: blocks in each of 9 stages: encoder 0-3, bottleneck, decoder 0-3.
        num_heads: of the 5 stages with attention: bottleneck, decoder 0-3. The paper's nine numbers are
            accepted too; the encoder's four, which nothing uses, are dropped.
        window_sizes: of the same 5 stages. The authors' constructor shrinks a window to its stage's
            side at their training patch size, where that is smaller than 8.
        bottleneck_shift: whether odd blocks of the bottleneck shift their windows. The authors shift only
            where a stage is larger than its window at the training patch size: no, at their 128.
        ffn_ratio: hidden width of the feed-forward network over its width.
        attention: a row of ``choices.ATTENTIONS``: "assa" is the paper's.
        feedforward: a row of ``choices.FEEDFORWARDS``: "frfn" is the paper's.
        drop_path: largest rate of stochastic depth.
    """

    channels: int = 3
    embed_dim: int = 32
    stem: int = 1
    depths: tuple[int, ...] = (1, 2, 8, 8, 2, 8, 8, 2, 1)
    num_heads: tuple[int, ...] = (16, 16, 8, 4, 2)
    window_sizes: tuple[int, ...] = (8, 8, 8, 8, 8)
    bottleneck_shift: bool = False
    ffn_ratio: float = 4.0
    attention: str = "assa"
    feedforward: str = "frfn"
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        for name in ("depths", "num_heads", "window_sizes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.num_heads) == 2 * LEVELS + 1:
            object.__setattr__(self, "num_heads", self.num_heads[LEVELS:])
        require(self.channels >= 1, f"channels must be at least 1, not {self.channels}")
        require(self.embed_dim >= 4, f"embed_dim must be at least 4, not {self.embed_dim}")
        require(self.stem >= 1, f"stem must be at least 1, not {self.stem}")
        require(len(self.depths) == 9 and min(self.depths) >= 1, f"depths must be 9 counts ≥ 1: {self.depths}")
        require(len(self.num_heads) == 5, f"num_heads must list 5 (or the paper's 9) stages: {self.num_heads}")
        require(
            len(self.window_sizes) == 5 and min(self.window_sizes) >= 1,
            f"window_sizes must be 5 sizes ≥ 1: {self.window_sizes}",
        )
        require(self.attention in ATTENTIONS, f"attention must be one of {', '.join(ATTENTIONS)}")
        require(self.feedforward in FEEDFORWARDS, f"feedforward must be one of {', '.join(FEEDFORWARDS)}")
        require(self.ffn_ratio * self.embed_dim >= 1, f"ffn_ratio is too small: {self.ffn_ratio}")
        require(0 <= self.drop_path < 1, f"drop_path must be in [0, 1), not {self.drop_path}")
        for width, heads in zip(self.attention_widths, self.num_heads, strict=True):
            require(heads >= 1 and width % heads == 0, f"{heads} heads do not divide a width of {width}")
        multiple = FEEDFORWARDS[self.feedforward].multiple
        require(
            self.embed_dim % multiple == 0,
            f"{self.feedforward} needs embed_dim in {multiple}s, not {self.embed_dim}",
        )

    @property
    def in_channels(self) -> int:
        """Channels of the images it takes."""
        return self.channels

    @property
    def out_channels(self) -> int:
        """Channels of the images it gives."""
        return self.channels

    @property
    def attention_widths(self) -> tuple[int, ...]:
        """Channels of the bottleneck and of decoder 0-3: 16C, 16C, 8C, 4C, 2C (a skip doubles a decoder's)."""
        return tuple(self.embed_dim * factor for factor in (16, 16, 8, 4, 2))

    @property
    def shifted_stages(self) -> tuple[bool, ...]:
        """Whether odd blocks shift, for the bottleneck and decoder 0-3.

        The side of a stage whose predecessor's window was shrunk is twice that window; the authors
        shift it only if it exceeds its own.
        """
        sizes = self.window_sizes
        decoder = (2 * before > size for before, size in pairwise(sizes))
        return (self.bottleneck_shift, *decoder)


class AST(nn.Module):
    """Images (B, C, H, W), any H, W ≥ 1, nominally in [0, 1] → restored images of the same size, unclamped."""

    def __init__(self, config: ASTConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.stem * 2**LEVELS  # H and W are padded by reflection to multiples of this
        # tiles that start at multiples of this are cut into the same windows as the whole image
        self.alignment = self.stride * max(config.window_sizes)
        dim, depths = config.embed_dim, config.depths
        widths = [dim * 2**level for level in range(LEVELS)]
        encoder_drops, bottleneck_drops, decoder_drops = _drop_path_rates(config)

        # 3×3 squares of stem² pixels: a space-to-depth and a 3×3 convolution in one
        self.embed = nn.Conv2d(config.channels, dim, 3 * config.stem, stride=config.stem, padding=config.stem)
        self.encoder = nn.ModuleList(
            _encoder_stage(config, width, drops) for width, drops in zip(widths, encoder_drops, strict=True)
        )
        self.downsample = nn.ModuleList(Convolution(w, 2 * w, 4, stride=2, padding=1) for w in widths)
        self.bottleneck = _attention_stage(config, 0, depths[LEVELS], bottleneck_drops)
        self.upsample = nn.ModuleList(
            Upsample(width, skip) for width, skip in zip(config.attention_widths, reversed(widths), strict=False)
        )
        self.decoder = nn.ModuleList(
            _attention_stage(config, 1 + level, depths[LEVELS + 1 + level], decoder_drops[level])
            for level in range(LEVELS)
        )
        hand_over(self.upsample, self.decoder)
        self.output = nn.Conv2d(2 * dim, config.channels * config.stem**2, 3, padding=1)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        return self.decode(image, *self.encode(image))

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the bottleneck makes of an image, (B, 16C, H/stride, W/stride), and the features of the encoder.

        H and W are rounded up to multiples of ``stride``.
        """
        x = pad_to_multiple(image, self.stride).contiguous(memory_format=torch.channels_last)
        x = F.leaky_relu(self.embed(x))

        skips: list[Tensor] = []
        for stage, downsample in zip(self.encoder, self.downsample, strict=True):
            x = stage(x)
            skips.append(x)
            x = downsample(x)
        return self.bottleneck(x), skips

    def decode(self, image: Tensor, x: Tensor, skips: list[Tensor]) -> Tensor:
        """The image restored, from what ``encode`` makes of it; empties ``skips``, for memory's sake."""
        for upsample, stage in zip(self.upsample, self.decoder, strict=True):
            x = stage(upsample(x, skips.pop()))
        residual = F.pixel_shuffle(self.output(x), self.config.stem)
        return image + residual[..., : image.shape[-2], : image.shape[-1]]


def _encoder_stage(config: ASTConfig, width: int, drops: list[float]) -> Stage:
    return Stage(
        TransformerBlock(width, None, _feedforward(config, width), norm=LayerNorm, drop_path=drop) for drop in drops
    )


def _attention_stage(config: ASTConfig, index: int, depth: int, drops: list[float]) -> Stage:
    """The bottleneck (index 0) or decoder index − 1."""
    width = config.attention_widths[index]
    return Stage(
        TransformerBlock(
            width,
            _attention(config, index, odd=bool(block % 2)),
            _feedforward(config, width),
            norm=LayerNorm,
            drop_path=drops[block],
        )
        for block in range(depth)
    )


def _attention(config: ASTConfig, index: int, *, odd: bool) -> nn.Module:
    window = config.window_sizes[index]
    return ATTENTIONS[config.attention].build(
        config.attention_widths[index],
        config.num_heads[index],
        window=window,
        shift=window // 2 if odd and config.shifted_stages[index] else 0,
        stride=2**index,  # 1 in the bottleneck … 16 at full resolution
    )


def _feedforward(config: ASTConfig, width: int) -> nn.Module:
    return FEEDFORWARDS[config.feedforward].build(width, int(width * config.ffn_ratio))


def _drop_path_rates(config: ASTConfig) -> tuple[list[list[float]], list[float], list[list[float]]]:
    """Stochastic depth per block: rising through the encoder, level in the bottleneck, falling in the decoder."""
    encoder, bottleneck, decoder = config.depths[:LEVELS], config.depths[LEVELS], config.depths[LEVELS + 1 :]
    rising = np.linspace(0, config.drop_path, sum(encoder)).tolist()
    falling = np.linspace(config.drop_path, 0, sum(decoder)).tolist()
    return _split(rising, encoder), [config.drop_path] * bottleneck, _split(falling, decoder)


def _split(rates: list[float], depths: tuple[int, ...]) -> list[list[float]]:
    ends = list(accumulate(depths))
    return [rates[end - depth : end] for end, depth in zip(ends, depths, strict=True)]


def _initialise(module: nn.Module) -> None:
    """Linear layers, our 1×1 convolutions: truncated normal, zero bias. Spatial ones stay as PyTorch makes them."""
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
