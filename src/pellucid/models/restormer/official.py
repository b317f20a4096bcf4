"""The authors' names for Restormer's weights, and Restormer's config read from their shapes."""

from collections.abc import Container

from pellucid.models.family import (
    TRANSPOSED_BLOCK,
    Family,
    Inferred,
    Renaming,
    State,
    count_blocks,
    infer_expansion,
)
from pellucid.models.restormer.model import LEVELS, Restormer, RestormerConfig

RENAMING = Renaming(
    [
        ("patch_embed.proj", "embed"),
        *((f"encoder_level{i + 1}", f"encoder.{i}") for i in range(LEVELS)),
        *((f"down{i + 1}_{i + 2}.body", f"downsample.{i}") for i in range(LEVELS)),
        *((f"up{4 - i}_{3 - i}.body", f"upsample.{i}") for i in range(LEVELS)),
        *((f"reduce_chan_level{3 - i}", f"reduce.{i}") for i in range(2)),
        *((f"decoder_level{3 - i}", f"decoder.{i}") for i in range(LEVELS)),
        ("skip_conv", "skip"),
        *TRANSPOSED_BLOCK,
    ]
)


def from_official(state: State) -> State:
    return {RENAMING.to_ours(key): tensor for key, tensor in state.items()}


def to_official(state: State) -> State:
    return {RENAMING.to_official(key): tensor for key, tensor in state.items()}


def recognises(keys: Container[str]) -> bool:
    return "embed.weight" in keys and "latent.0.norm1.weight" in keys


def infer_config(state: State) -> Inferred:
    """Restormer's config; shapes tell all of it."""
    levels = [*(f"encoder.{i}" for i in range(LEVELS)), "latent"]
    dim, in_channels = state["embed.weight"].shape[:2]
    projections = [state[f"{level}.0.feedforward.project.weight"].shape for level in levels]
    config = RestormerConfig(
        in_channels=in_channels,
        out_channels=state["output.weight"].shape[0],
        dim=dim,
        num_blocks=tuple(count_blocks(state, level) for level in levels),
        num_refinement_blocks=count_blocks(state, "refinement"),
        num_heads=tuple(state[f"{level}.0.attention.temperature"].shape[0] for level in levels),
        ffn_expansion=infer_expansion([(width, hidden) for width, hidden, *_ in projections], usual=(2.66, 4.0)),
        bias="output.bias" in state,
        bias_free_norm="latent.0.norm1.bias" not in state,
        dual_pixel="skip.weight" in state,
    )
    return Inferred(config, {})


FAMILY = Family(
    name="restormer",
    config=RestormerConfig,
    network=Restormer,
    variants={"restormer": RestormerConfig()},
    renaming=RENAMING,
    from_official=from_official,
    to_official=to_official,
    recognises=recognises,
    infer_config=infer_config,
)
