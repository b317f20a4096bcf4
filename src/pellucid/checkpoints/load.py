"""From a weights file to a network: its family and config found, its keys renamed, every tensor accounted for."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pellucid.checkpoints.read import StoredWeights, read_weights
from pellucid.errors import CheckpointError, PellucidError
from pellucid.models.detector import TENSORS, Detector, pooled_feature_count
from pellucid.models.family import Family
from pellucid.models.registry import FAMILIES, build, with_overrides

log = logging.getLogger(__name__)

NOTES = {"working_side": int, "bf16_loss": float}  # of what a file says of its weights, what restoring needs


@dataclass(frozen=True)
class Checkpoint:
    """A weights file that has been recognised.

    Attributes:
        path: of the file.
        family: which architecture it is.
        config: that family's config, stored in our files and read from tensor shapes in others.
        assumed: fields that shapes could not tell, with the defaults taken.
        state: tensors under our names.
        container: how the file wraps them.
        metadata: what a safetensors file says of itself: task, licence and more.
        official: whether the file has the authors' names.
        detector: that comes with the weights, if any.
    """

    path: Path
    family: Family
    config: Any
    assumed: Mapping[str, Any]
    state: dict[str, Tensor]
    container: str
    metadata: dict[str, str]
    official: bool
    detector: Detector | None


def load_network(path: str | PathLike[str], **overrides: Any) -> nn.Module:
    """Load any published AST, ASTv2 or Restormer checkpoint, or one of ours.

    Args:
        path: a ``.pth``/``.pt``/``.ckpt`` file in any of the authors' containers, or ``.safetensors``.
        **overrides: fields of the config that the file cannot tell or tells wrongly, such as
            ``bottleneck_shift=True``.

    Returns:
        The network in eval mode, float32, channels-last; it does not clamp. ``.config`` says what it is. Where the
        file has them, ``.working_side`` is the longer side of the pictures it was trained on, ``.bf16_loss`` what
        bfloat16 costs it, in dB, and ``.detector`` tells degraded pictures from others.

    Raises:
        CheckpointError: the file is missing, damaged, of no known family, or has a tensor that does not
            fit; the message names the key.
        ModelError: an override that is no field, or makes an impossible config.
    """
    return build_network(open_checkpoint(path), **overrides)


def build_network(checkpoint: Checkpoint, **overrides: Any) -> nn.Module:
    """The network of a checkpoint that was opened; as ``load_network``."""
    config = with_overrides(checkpoint.config, overrides)
    for field, value in checkpoint.assumed.items():
        if field not in overrides:
            log.info("%s does not record %s: assumed %s (override with %s=...)", checkpoint.path, field, value, field)
    network = build(config)
    _check_fit(checkpoint, network.state_dict())
    _check_detector(checkpoint, network)
    for name, number in NOTES.items():
        if name in checkpoint.metadata:
            try:
                setattr(network, name, number(checkpoint.metadata[name]))
            except ValueError:
                raise CheckpointError(f"{checkpoint.path}: its {name} is no number") from None
    if checkpoint.detector is not None:
        setattr(network, "detector", checkpoint.detector)  # noqa: B010 (nn.Module's typing knows tensors and modules)
    network.load_state_dict({key: tensor.float() for key, tensor in checkpoint.state.items()})
    return network.eval()


def open_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Read a weights file and find out what it is, without building the network.

    Raises:
        CheckpointError: the file is missing, damaged, or of no known family.
    """
    stored = read_weights(path)
    detector = _take_detector(stored)
    for family in FAMILIES.values():
        for official in (False, True):
            checkpoint = _recognise(stored, family, detector, official=official)
            if checkpoint:
                return checkpoint
    key, tensor = next(iter(stored.state.items()))
    raise CheckpointError(
        f"{path}: of no known family ({', '.join(FAMILIES)}); it holds {len(stored.state)} tensors, "
        f"the first '{key}' of shape {tuple(tensor.shape)}"
    )


def _take_detector(stored: StoredWeights) -> Detector | None:
    """The detector's tensors, no longer among the network's."""
    weight, bias, caution = TENSORS
    if not (weight in stored.state and bias in stored.state):
        return None
    return Detector(*(stored.state.pop(name).float() for name in (weight, bias, caution) if name in stored.state))


def _recognise(
    stored: StoredWeights, family: Family, detector: Detector | None, *, official: bool
) -> Checkpoint | None:
    """The checkpoint, if it is of this family and in these names."""
    if not family.recognises({family.renaming.to_ours(key) if official else key for key in stored.state}):
        return None
    try:
        state = family.from_official(stored.state) if official else stored.state
        config, assumed = _config_of(stored, family, state)
    except KeyError as error:
        key = str(error.args[0])
        key = family.renaming.to_official(key) if official else key
        raise CheckpointError(f"{stored.path}: looks like {family.name}, but has no key '{key}'") from None
    except (PellucidError, ArithmeticError, IndexError, RuntimeError, TypeError, ValueError) as error:
        # shapes that no network has can fail anywhere in the reading of them
        raise CheckpointError(f"{stored.path}: looks like {family.name}, but its shapes do not fit: {error}") from None
    return Checkpoint(
        stored.path, family, config, assumed, state, stored.container, stored.metadata, official, detector
    )


def _config_of(stored: StoredWeights, family: Family, state: dict[str, Tensor]) -> tuple[Any, Mapping[str, Any]]:
    """The config that our own files record, or what shapes tell."""
    if "config" in stored.metadata:
        return family.config(**json.loads(stored.metadata["config"])), {}
    inferred = family.infer_config(state)
    return inferred.config, inferred.assumed


def _check_fit(checkpoint: Checkpoint, expected: Mapping[str, Tensor]) -> None:
    """Every tensor of the network is in the file, with its shape, and nothing else is."""
    state = checkpoint.state
    faults = [f"'{_name(checkpoint, key)}' is missing" for key in expected if key not in state]
    faults += [f"'{_name(checkpoint, key)}' is unexpected" for key in state if key not in expected]
    faults += [
        f"'{_name(checkpoint, key)}' has shape {_shape(state[key])}, not {_shape(tensor)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise CheckpointError(f"{checkpoint.path}: looks like {checkpoint.family.name}, but {faults[0]}{more}")


def _check_detector(checkpoint: Checkpoint, network: nn.Module) -> None:
    """The detector weighs as many features as the network has."""
    detector = checkpoint.detector
    if detector is None:
        return
    expected = (pooled_feature_count(network),)
    if (detector.weight.shape, detector.bias.shape, detector.caution.shape) != (expected, (), ()):
        raise CheckpointError(
            f"{checkpoint.path}: its detector weighs {_shape(detector.weight)} features, not {expected}"
        )


def _name(checkpoint: Checkpoint, key: str) -> str:
    """A key as the file spells it."""
    return checkpoint.family.renaming.to_official(key) if checkpoint.official else key


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
