"""The authors' names for AST's weights, and AST's config read from their shapes."""

import math
from collections.abc import Container
from typing import Any

import torch

from pellucid.blocks.window import relative_position_index
from pellucid.errors import CheckpointError
from pellucid.models.ast.choices import ATTENTIONS, tell_attention, tell_feedforward
from pellucid.models.ast.model import AST, LEVELS, ASTConfig
from pellucid.models.family import Family, Inferred, Renaming, State, count_blocks, infer_expansion

INDEX = "attn.relative_position_index"  # a constant that their checkpoints carry
LINEAR = tuple(  # their linear layers, our 1×1 convolutions
    f"{layer}.weight" for layer in ("fc1", "fc2", "linear1.0", "linear2.0", "to_q", "to_kv", "attn.proj")
)

RENAMING = Renaming(
    [
        ("input_proj.proj.0", "embed"),
        ("output_proj.proj.0", "output"),
        *((f"encoderlayer_{i}.blocks", f"encoder.{i}") for i in range(LEVELS)),
        *((f"dowsample_{i}.conv.0", f"downsample.{i}") for i in range(LEVELS)),
        ("conv.blocks", "bottleneck"),
        *((f"upsample_{i}.deconv.0", f"upsample.{i}") for i in range(LEVELS)),
        *((f"decoderlayer_{i}.blocks", f"decoder.{i}") for i in range(LEVELS)),
        ("attn", "attention"),
        ("attention.relative_position_bias_table", "attention.bias_table"),
        ("attention.qkv.to_q", "attention.query"),
        ("attention.qkv.to_kv", "attention.key_value"),
        ("attention.proj", "attention.project"),
        ("attention.w", "attention.weighting.balance"),
        ("mlp", "feedforward"),
        ("feedforward.partial_conv3", "feedforward.partial"),
        ("feedforward.linear1.0", "feedforward.expand"),
        ("feedforward.dwconv.0", "feedforward.depthwise"),
        ("feedforward.linear2.0", "feedforward.project"),
    ]
)


def from_official(state: State) -> State:
    """Our names for the authors' tensors; linear weights (out, in) become 1×1 convolutions (out, in, 1, 1)."""
    ours: State = {}
    for key, tensor in state.items():
        if key.endswith(INDEX):
            _check_index(key, tensor)
        else:
            ours[RENAMING.to_ours(key)] = tensor[:, :, None, None] if key.endswith(LINEAR) else tensor
    return ours


def to_official(state: State) -> State:
    """The authors' names for our tensors, with the constant index beside each bias table."""
    official: State = {}
    for key, tensor in state.items():
        name = RENAMING.to_official(key)
        official[name] = tensor[:, :, 0, 0] if name.endswith(LINEAR) else tensor
        if name.endswith("relative_position_bias_table"):
            window = _window_of(tensor.shape[0])
            official[name.replace("bias_table", "index")] = relative_position_index(window)
    return official


def recognises(keys: Container[str]) -> bool:
    return "embed.weight" in keys and "decoder.3.0.norm2.weight" in keys


def infer_config(state: State) -> Inferred:
    """AST's config from shapes.

    ``bottleneck_shift`` leaves no trace where no window was shrunk, nor does stochastic depth, nor what sets apart
    attentions of the same tensors (``choices.Attention.taken_for``): our own files record it.
    """
    stages = [
        *(f"encoder.{i}" for i in range(LEVELS)),
        "bottleneck",
        *(f"decoder.{i}" for i in range(LEVELS)),
    ]
    attentive = stages[LEVELS:]
    embed_dim, channels, side, _ = state["embed.weight"].shape
    attention = tell_attention(state)
    where, assumed = ATTENTIONS[attention].where, dict[str, Any]()
    if where == "window":
        tables = [state[f"{stage}.0.attention.bias_table"].shape for stage in attentive]
        heads = tuple(table[1] for table in tables)
        windows = tuple(_window_of(table[0]) for table in tables)
        if windows[0] == max(windows):
            assumed["bottleneck_shift"] = False
    else:
        temperature = "channel_temperature" if where == "condensed" else "temperature"
        heads = tuple(state[f"{stage}.0.attention.{temperature}"].shape[0] for stage in attentive)
        windows = ASTConfig().window_sizes
    if any(row.taken_for == attention for row in ATTENTIONS.values()):
        assumed["attention"] = attention
    feedforward, ratio = _feedforward_kind(state, stages)
    config = ASTConfig(
        channels=channels,
        embed_dim=embed_dim,
        stem=side // 3,
        depths=tuple(count_blocks(state, stage) for stage in stages),
        num_heads=heads,
        window_sizes=windows,
        attention=attention,
        feedforward=feedforward,
        ffn_ratio=ratio,
    )
    return Inferred(config, assumed)


def _feedforward_kind(state: State, stages: list[str]) -> tuple[str, float]:
    """The feed-forward network and its ratio, from the first block of every stage."""
    prefixes = [f"{stage}.0.feedforward." for stage in stages]
    last = "fc2" if f"{prefixes[0]}fc2.weight" in state else "project"
    shapes = [state[f"{prefix}{last}.weight"].shape[:2] for prefix in prefixes]
    widths = [(dim, hidden) for dim, hidden in shapes]
    kind = tell_feedforward(state, dict(zip(prefixes, widths, strict=True)))
    return kind, infer_expansion(widths, usual=(4.0, 2.66, 2.0))


def _window_of(table_rows: int) -> int:
    """The window whose bias table has (2w − 1)² rows."""
    return (math.isqrt(table_rows) + 1) // 2


def _check_index(key: str, tensor: torch.Tensor) -> None:
    expected = relative_position_index(math.isqrt(tensor.shape[0]))
    if not torch.equal(tensor, expected):
        raise CheckpointError(f"{key} is not Swin's relative position index; this is not a published AST file")


FAMILY = Family(
    name="ast",
    config=ASTConfig,
    network=AST,
    variants={
        "ast-t": ASTConfig(embed_dim=16, depths=(2,) * 9),
        "ast-b": ASTConfig(),
        "ast-m": ASTConfig(  # ours, at half the resolution
            stem=2, depths=(1,) * 8 + (2,), ffn_ratio=1.0, drop_path=0.0
        ),
    },
    renaming=RENAMING,
    from_official=from_official,
    to_official=to_official,
    recognises=recognises,
    infer_config=infer_config,
)
