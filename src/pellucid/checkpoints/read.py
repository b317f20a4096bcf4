"""Tensors out of a file, without ever running what is in it."""

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pellucid.checkpoints.eight_bit import from_eight_bits
from pellucid.errors import CheckpointError

CONTAINERS = ("params_ema", "params", "state_dict")  # the first one present is meant: averaged weights win
WRAPPERS = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile


@dataclass(frozen=True)
class StoredWeights:
    """What a file holds: named tensors, the metadata of a safetensors file, and how they were wrapped."""

    path: Path
    state: dict[str, Tensor]
    metadata: dict[str, str]
    container: str


def read_weights(path: str | PathLike[str]) -> StoredWeights:
    """Read a safetensors file or a PyTorch checkpoint in any of the containers that authors use.

    Raises:
        CheckpointError: no such file, not a weights file, damaged, or holding no tensors.
    """
    path = Path(path)
    head = _read_head(path)
    if head[8:9] == b"{":
        return _read_safetensors(path)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"\x80"):
        return _read_torch(path)
    raise CheckpointError(f"{path}: not a weights file; it looks like {_describe(head)}")


def file_digest(path: str | PathLike[str]) -> str:
    """SHA-256 of a file, which tells one set of weights from another whatever it is called."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_head(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder, not a weights file")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: is not an ordinary file")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        hint = "" if path.suffix else "; of a model that comes with pellucid, list_models() knows the path"
        raise CheckpointError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    if not head:
        raise CheckpointError(f"{path}: is empty")
    return head


def _read_safetensors(path: Path) -> StoredWeights:
    try:
        with safe_open(path, framework="pt") as file:
            state = from_eight_bits({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118, it is no mapping
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:  # RuntimeError: scales that do not fit
        raise CheckpointError(f"{path}: damaged or truncated safetensors file ({_one_line(error)})") from None
    return StoredWeights(path, _strip_wrappers(state), metadata, "safetensors")


def _read_torch(path: Path) -> StoredWeights:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles it is about to refuse
            data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors, or is damaged; it was not run ({_one_line(error)})"
        ) from None
    except Exception as error:  # torch raises many kinds for a truncated archive
        raise CheckpointError(f"{path}: damaged or truncated PyTorch file ({_one_line(error)})") from None

    container, tensors = _unwrap(data)
    state = {str(key): value for key, value in tensors.items() if isinstance(value, Tensor)}
    if not state:
        raise CheckpointError(f"{path}: holds no tensors, only {_one_line(type(data).__name__)}")
    return StoredWeights(path, _strip_wrappers(state), {}, container)


def _unwrap(data: Any) -> tuple[str, Mapping[Any, Any]]:
    """The mapping that holds the weights, and the name it had in the file."""
    if not isinstance(data, Mapping):
        return "nothing", {}
    for name in CONTAINERS:
        if isinstance(data.get(name), Mapping) and data[name]:
            return name, data[name]
    return "bare", data


def _strip_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    while wrapper := next((w for w in WRAPPERS if all(key.startswith(w) for key in state)), None):
        state = {key.removeprefix(wrapper): tensor for key, tensor in state.items()}
    return state


def _describe(head: bytes) -> str:
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "a web page: the download gave a page, not the file"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer: fetch the file itself with git lfs pull"
    if start.startswith((b"\x89png", b"\xff\xd8", b"gif8", b"riff", b"ii*\x00", b"mm\x00*")):
        return "a picture"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return "text"
    return "no format that holds weights"


def _one_line(error: object) -> str:
    return str(error).strip().split("\n")[0][:120]
