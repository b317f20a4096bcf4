"""The authors' names for AST's weights, and AST's config read from their shapes."""

import math
from collections.abc import Container

import torch

from pellucid.blocks.window import relative_position_index
from pellucid.errors import CheckpointError
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

    ``bottleneck_shift`` leaves no trace where no window was shrunk, nor does stochastic depth, nor what sets "sparse"
    apart from "swin" and "assa-relu" from "assa": our own files record it.
    """
    stages = [
        *(f"encoder.{i}" for i in range(LEVELS)),
        "bottleneck",
        *(f"decoder.{i}" for i in range(LEVELS)),
    ]
    attentive = stages[LEVELS:]
    embed_dim, channels, side, _ = state["embed.weight"].shape
    attention = _attention_kind(state)
    if attention in ("assa", "swin"):
        tables = [state[f"{stage}.0.attention.bias_table"].shape for stage in attentive]
        heads = tuple(table[1] for table in tables)
        windows = tuple(_window_of(table[0]) for table in tables)
    else:
        temperature = "channel_temperature" if attention == "condensed" else "temperature"
        heads = tuple(state[f"{stage}.0.attention.{temperature}"].shape[0] for stage in attentive)
        windows = ASTConfig().window_sizes
    feedforward, ratio = _feedforward_kind(state, stages)
    assumed = {"bottleneck_shift": False} if attention in ("assa", "swin") and windows[0] == max(windows) else {}
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


def _attention_kind(state: State) -> str:
    present = {key.partition(".attention.")[2] for key in state}
    if "bias_table" in present:
        return "assa" if "weighting.balance" in present else "swin"
    if "channel_temperature" in present:
        return "condensed"
    if "weighting.scales" in present:
        return "topk"
    return "modulated" if "weighting.modulate.weight" in present else "mdta"


def _feedforward_kind(state: State, stages: list[str]) -> tuple[str, float]:
    """The kind of feed-forward network and its ratio, from all blocks' layers, the first's shapes and all widths."""
    first = "encoder.0.0.feedforward"
    layers = {key.partition(".feedforward.")[2] for key in state}
    last_layer = "fc2" if f"{first}.fc2.weight" in state else "project"
    shapes = [state[f"{stage}.0.feedforward.{last_layer}.weight"].shape for stage in stages]
    ratio = infer_expansion([(dim, hidden) for dim, hidden, *_ in shapes], usual=(4.0, 2.66, 2.0))
    if last_layer == "fc2":
        return "ffn", ratio
    dim, hidden = shapes[0][:2]
    if "partial.weight" in layers:
        if "depthwise.weight" not in layers:
            return "frfn-no-depthwise", ratio
        convolved = state[f"{first}.partial.weight"].shape[0]  # dim // 4 channels, or dim // 24 when grouped
        return ("frfn" if convolved == dim // 4 else "frfn-grouped"), ratio
    if state[f"{first}.expand.weight"].shape[0] == 2 * hidden:
        return ("gdfn" if state[f"{first}.depthwise.weight"].shape[0] == 2 * hidden else "frfn-no-partial"), ratio
    return ("leff" if f"{first}.expand.bias" in state else "dfn"), ratio


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
