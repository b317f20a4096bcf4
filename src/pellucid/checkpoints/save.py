"""Networks into safetensors files that say what they are."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from pellucid.atomic import replacing
from pellucid.checkpoints.eight_bit import to_eight_bits
from pellucid.errors import CheckpointError
from pellucid.models.detector import Detector
from pellucid.models.registry import family_of


def save_network(
    network: nn.Module,
    path: str | PathLike[str],
    *,
    task: str,
    licence: str,
    notes: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a network's weights and detector, with family, config, task and licence as metadata; atomically.

    Args:
        network: built by ``create_network`` or ``load_network``.
        path: where to; an existing file is replaced once the new one is whole.
        task: what the weights do, for example "denoise".
        licence: under which they may be used.
        notes: more metadata.
        dtype: of the stored weights, if not the detector's: a float, or int8 (see ``eight_bit``); loading gives
            float32 back.

    Raises:
        CheckpointError: the file cannot be written.
    """
    path = Path(path)
    metadata = {
        "format": "pt",
        "family": family_of(network.config).name,
        "config": json.dumps(asdict(network.config)),  # pyright: ignore[reportArgumentType]
        "task": task,
        "licence": licence,
        **(notes or {}),
    }
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    state = to_eight_bits(state) if dtype == torch.int8 else {key: value.to(dtype) for key, value in state.items()}
    detector: Detector | None = getattr(network, "detector", None)
    if detector is not None:
        state |= detector.tensors
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(save(state, metadata))  # save_file would make it unreadable to others
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror}") from error
