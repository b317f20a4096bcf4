"""The networks as a textbook would write them in PyTorch: what ``networks.py`` measures pellucid's against.

The same weights and the same function, in the layouts and operators in which such networks are usually written:
images (B, C, H, W), tokens (B, N, C) and copies between the two, windows cut out as tensors of their own, every score
of every window in memory at once, AST's image padded to a square that 128 divides. No kernel of pellucid's is used.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.blocks.feedforward import FRFN, GDFN, GroupedFRFN
from pellucid.blocks.norm import BiasFreeLayerNorm, LayerNorm
from pellucid.blocks.window import relative_position_index
from pellucid.models.ast.model import AST
from pellucid.models.astv2.model import ASTv2
from pellucid.models.restormer.model import Restormer

SQUARE = 128  # AST's images are padded to multiples of this


def forward(network: nn.Module, image: Tensor) -> Tensor:
    """Restore images (B, C, H, W) with a network's weights."""
    if isinstance(network, AST):
        return _ast(network, image)
    if isinstance(network, Restormer | ASTv2):
        return _pyramid(network, image)
    raise TypeError(f"no textbook has a {type(network).__name__}")


def _ast(network: AST, image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    side = -(-max(height, width) // SQUARE) * SQUARE
    x = F.pad(image, (0, side - width, 0, side - height))
    x = F.leaky_relu(_convolution(network.embed, x))
    skips = []
    for stage, downsample in zip(network.encoder, network.downsample, strict=True):
        x = _stage(stage, x)
        skips.append(x)
        x = _convolution(downsample, x)
    x = _stage(network.bottleneck, x)
    for upsample, stage in zip(network.upsample, network.decoder, strict=True):
        up: Any = upsample
        x = F.conv_transpose2d(x, up.weight.contiguous(), up.bias, stride=2)
        x = _stage(stage, torch.cat([x, skips.pop()], dim=1))
    return image + _convolution(network.output, x)[..., :height, :width]


def _pyramid(network: Any, image: Tensor) -> Tensor:
    """Restormer and ASTv2."""
    height, width = image.shape[-2:]
    bottom, right = -height % network.stride, -width % network.stride
    x = F.pad(image, (0, right, 0, bottom), mode="reflect") if bottom or right else image
    x = _convolution(network.embed, x)
    skips = []
    deepest = len(network.downsample)
    for stage, downsample in zip(network.encoder, network.downsample, strict=False):
        x = _stage(stage, x)
        skips.append(x)
        x = F.pixel_unshuffle(_convolution(downsample[0], x), 2)
    x = _stage(network.latent if isinstance(network, Restormer) else network.encoder[deepest], x)
    decoder = list(network.decoder)
    if isinstance(network, ASTv2):
        x = _stage(decoder.pop(0), x)
    for upsample, reduce, stage in zip(network.upsample, network.reduce, decoder, strict=True):
        x = torch.cat([F.pixel_shuffle(_convolution(upsample[0], x), 2), skips.pop()], dim=1)
        x = _stage(stage, x if isinstance(reduce, nn.Identity) else _convolution(reduce, x))
    x = _convolution(network.output, _stage(network.refinement, x))
    return image + x[..., :height, :width]


def _stage(stage: Any, x: Tensor) -> Tensor:
    for block in stage:
        if block.attention is not None:
            attend = _window_attention if hasattr(block.attention, "window") else _channel_attention
            x = x + attend(block.attention, _norm(block.norm1, x))
        x = x + _feedforward(block.feedforward, _norm(block.norm2, x))
    return x


def _norm(norm: Any, x: Tensor) -> Tensor:
    tokens = _tokens(x)
    if isinstance(norm, LayerNorm):
        tokens = F.layer_norm(tokens, norm.weight.shape, norm.weight, norm.bias, 1e-5)
    elif isinstance(norm, BiasFreeLayerNorm):
        tokens = tokens / torch.sqrt(tokens.var(-1, keepdim=True, unbiased=False) + 1e-5) * norm.weight
    return _image(tokens, x)


def _window_attention(attention: Any, x: Tensor) -> Tensor:
    """(Shifted) windows of tokens; the scores of both branches for all windows at once."""
    batch, channels, height, width = x.shape
    window, heads, shift = attention.window, attention.heads, attention.shift
    x = x.permute(0, 2, 3, 1).contiguous()  # (B, H, W, C)
    if shift:
        x = torch.roll(x, (-shift, -shift), (1, 2))
    windows = _cut(x, window)  # (B·windows, N, C)
    q = _linear(attention.query, windows).reshape(-1, window**2, heads, channels // heads).permute(0, 2, 1, 3)
    kv = _linear(attention.key_value, windows).reshape(-1, window**2, 2, heads, channels // heads)
    k, v = kv.permute(2, 0, 3, 1, 4)
    scores = (q * (channels // heads) ** -0.5) @ k.transpose(-2, -1)
    index = relative_position_index(window).to(x.device)
    scores = scores + attention.bias_table[index.flatten()].view(window**2, window**2, heads).permute(2, 0, 1)
    if shift:
        mask = _mask(height, width, window, shift).to(scores)
        scores = scores.view(batch, len(mask), heads, window**2, window**2) + mask[:, None]
        scores = scores.view(-1, heads, window**2, window**2)
    dense, sparse = attention.weighting.factors()
    weights = dense * torch.softmax(scores, -1) + sparse * torch.relu(scores) ** 2
    windows = (weights @ v).transpose(1, 2).reshape(-1, window**2, channels)
    x = _joined(_linear(attention.project, windows), window, height, width)
    if shift:
        x = torch.roll(x, (shift, shift), (1, 2))
    return x.permute(0, 3, 1, 2).contiguous()


def _mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """What the roll brought together stays apart: (windows, N, N)."""
    regions = torch.zeros(1, height, width, 1)
    parts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for number, (rows, columns) in enumerate((rows, columns) for rows in parts for columns in parts):
        regions[:, rows, columns] = number
    regions = _cut(regions, window)[..., 0]
    return (regions[:, None] != regions[:, :, None]) * -100.0


def _cut(x: Tensor, window: int) -> Tensor:
    batch, height, width, channels = x.shape
    x = x.view(batch, height // window, window, width // window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window**2, channels)


def _joined(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    x = windows.view(-1, height // window, width // window, window, window, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])


def _channel_attention(attention: Any, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    qkv = _convolution(attention.qkv_depthwise, _convolution(attention.qkv, x))
    q, k, v = (part.reshape(batch, attention.heads, -1, height * width) for part in qkv.chunk(3, dim=1))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    weights = attention.weighting(q @ k.transpose(-2, -1) * attention.temperature)
    return _convolution(attention.project, (weights @ v).reshape(batch, channels, height, width))


def _feedforward(block: Any, x: Tensor) -> Tensor:
    if isinstance(block, GDFN):
        gate, value = _convolution(block.depthwise, _convolution(block.expand, x)).chunk(2, dim=1)
        return _convolution(block.project, F.gelu(gate) * value)
    if isinstance(block, GroupedFRFN):
        groups = x.reshape(len(x), block.GROUPS, -1, *x.shape[-2:])
        parts = [torch.cat([_convolution(block.partial, g[:, : block.partial_dim]), g[:, block.partial_dim :]], 1)
                 for g in groups.unbind(1)]  # fmt: skip
        gate, value = _convolution(block.expand, torch.cat(parts, dim=1)).chunk(2, dim=1)
        return _convolution(block.project, _convolution(block.depthwise, gate) * value)
    assert isinstance(block, FRFN)
    partial, rest = x[:, : block.partial_dim], x[:, block.partial_dim :]
    x = torch.cat([_convolution(block.partial, partial), rest], dim=1)
    gate, value = F.gelu(_linear(block.expand, _tokens(x))).chunk(2, dim=-1)
    gate = F.gelu(_tokens(_convolution(block.depthwise, _image(gate, x))))
    return _image(_linear(block.project, gate * value), x)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2).contiguous()


def _image(tokens: Tensor, like: Tensor) -> Tensor:
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *like.shape[-2:]).contiguous()


def _linear(layer: Any, tokens: Tensor) -> Tensor:
    return F.linear(tokens, layer.weight.flatten(1), layer.bias)


def _convolution(layer: Any, x: Tensor) -> Tensor:
    weight = layer.weight.contiguous()
    return F.conv2d(x, weight, layer.bias, layer.stride, layer.padding, groups=layer.groups)
