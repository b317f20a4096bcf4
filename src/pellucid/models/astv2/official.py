"""The authors' names for ASTv2's weights, and ASTv2's config read from their shapes."""

from collections.abc import Container

from pellucid.models.astv2.model import LEVELS, ASTv2, ASTv2Config
from pellucid.models.family import (
    TRANSPOSED_BLOCK,
    Family,
    Inferred,
    Renaming,
    State,
    count_blocks,
    infer_expansion,
)

MODULATION = "attn.att_ca.weight"  # theirs is a 1×1 convolution, ours a linear layer

RENAMING = Renaming(
    [
        ("patch_embed.proj", "embed"),
        *((f"encoder_level{i + 1}", f"encoder.{i}") for i in range(LEVELS)),
        *((f"down{i + 1}_{i + 2}.body", f"downsample.{i}") for i in range(LEVELS - 1)),
        *((f"up{3 - i}_{2 - i}.body", f"upsample.{i}") for i in range(LEVELS - 1)),
        ("reduce_chan_level2", "reduce.0"),
        *((f"decoder_level{3 - i}", f"decoder.{i}") for i in range(LEVELS)),
        *TRANSPOSED_BLOCK,
        ("attention.att_ca", "attention.weighting.modulate"),
        ("feedforward.partial_conv3", "feedforward.partial"),
    ]
)


def from_official(state: State) -> State:
    return {
        RENAMING.to_ours(key): tensor.flatten(1) if key.endswith(MODULATION) else tensor
        for key, tensor in state.items()
    }


def to_official(state: State) -> State:
    named = {RENAMING.to_official(key): tensor for key, tensor in state.items()}
    return {key: t[:, :, None, None] if key.endswith(MODULATION) else t for key, t in named.items()}


def recognises(keys: Container[str]) -> bool:
    return "embed.weight" in keys and "decoder.0.0.attention.weighting.modulate.weight" in keys


def infer_config(state: State) -> Inferred:
    """ASTv2's config; shapes tell all of it."""
    encoder = [f"encoder.{i}" for i in range(LEVELS)]
    decoder = [f"decoder.{LEVELS - 1 - i}" for i in range(LEVELS)]  # level 1 first
    dim, channels = state["embed.weight"].shape[:2]
    projections = [state[f"{level}.0.feedforward.project.weight"].shape for level in encoder]
    config = ASTv2Config(
        channels=channels,
        dim=dim,
        num_blocks=tuple(count_blocks(state, level) for level in encoder),
        num_refinement_blocks=count_blocks(state, "refinement"),
        num_heads=tuple(state[f"{level}.0.attention.temperature"].shape[0] for level in decoder),
        ffn_expansion=infer_expansion([(width, hidden) for width, hidden, *_ in projections], usual=(4.0, 2.66)),
        bias="output.bias" in state,
        bias_free_norm="refinement.0.norm1.bias" not in state,
    )
    return Inferred(config, {})


FAMILY = Family(
    name="astv2",
    config=ASTv2Config,
    network=ASTv2,
    variants={
        "astv2-s": ASTv2Config(),
        "astv2-l": ASTv2Config(num_blocks=(6, 8, 8), num_refinement_blocks=4),
    },
    renaming=RENAMING,
    from_official=from_official,
    to_official=to_official,
    recognises=recognises,
    infer_config=infer_config,
)
