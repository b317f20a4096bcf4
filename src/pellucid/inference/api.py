"""``pellucid.restore``: one function for whatever holds a picture."""

import math
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from pellucid.checkpoints import load_network
from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import Frame, Photo, read_photo
from pellucid.inference.options import RestoreOptions
from pellucid.inference.restorer import Restorer
from pellucid.zoo import find_model

Same = TypeVar("Same", Photo, Image.Image, NDArray[Any], Tensor)


@overload
def restore(image: str | PathLike[str], **options: Any) -> Photo: ...
@overload
def restore(image: Same, **options: Any) -> Same: ...
def restore(
    image: Any,
    *,
    task: str | None = None,
    model: str | PathLike[str] | nn.Module | None = None,
    white: float | None = None,
    options: RestoreOptions | None = None,
    **overrides: Any,
) -> Any:
    """Restore a picture and give back the same kind.

    Args:
        image: a path (gives a ``Photo``, which has ``save``), a Photo, a PIL image; an array (H, W) or
            (H, W, C) of uint8, uint16 or floats; a tensor (C, H, W) or (B, C, H, W) of uint8 or floats.
            Floats are nominally in [0, 1] and neither clipped nor rounded. C is 1 or 3, with alpha 2 or
            4 (alpha comes back untouched, as does what is fully transparent), or what the network takes.
        task: what is wrong with the picture: "denoise" if neither task nor model is given.
        model: a name from ``list_models``, a checkpoint's path, or a network from ``load_network`` (which is
            left as it is).
        white: the value that means white, such as 255 in floats or 1023 in 16 bits; None is what a file says, or
            1 of floats and the top of integers. The result has the same.
        options, overrides: how to run the network, as for ``Restorer``.

    Raises:
        ImageError: a file that cannot be read, or an array or tensor of no such shape.
        ModelError: no such model or task, or both at once.
        CheckpointError: weights that cannot be loaded.
        RestoreError: not enough memory for the smallest tile, or damaged weights.
        ConfigError: an option that there is not, or without such a value.
        MissingExtraError, ExportError: the backend's library is not installed, or cannot run this network.
    """
    if white is not None and not 0 < white < math.inf:
        raise ConfigError(f"white must be above 0, not {white:g}")
    network = model if isinstance(model, nn.Module) else _cached_network(find_model(model, task))
    restorer = Restorer(network, options, **overrides)
    if isinstance(image, str | PathLike):
        return restorer.restore(_with_white(read_photo(image), white))
    if isinstance(image, Photo):
        return restorer.restore(_with_white(image, white))
    if isinstance(image, Image.Image):
        return restorer.restore(_with_white(Photo.from_pil(image), white)).to_pil()
    if isinstance(image, np.ndarray):
        return _restore_array(restorer, image, white)
    if isinstance(image, Tensor):
        return _restore_tensor(restorer, image, white)
    raise ImageError(f"Cannot restore a {type(image).__name__}: give a path, PIL image, array or tensor")


def _cached_network(path: Path) -> nn.Module:
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0  # loading says what is wrong
    return _load(path, changed)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> nn.Module:
    return load_network(path)


def _with_white(photo: Photo, white: float | None) -> Photo:
    return photo if white is None else replace(photo, white=white)


def _restore_array(restorer: Restorer, array: NDArray[Any], white: float | None) -> NDArray[Any]:
    if array.dtype.kind != "f" and array.dtype.name not in ("uint8", "uint16"):
        raise ImageError(f"Arrays must be uint8, uint16 or floats, not {array.dtype}")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ImageError(f"Arrays must be (H, W) or (H, W, C), not {array.shape}")
    samples = array[:, :, None] if array.ndim == 2 else array
    bands = samples.shape[2]
    if bands > 4 or (bands in (2, 4) and bands == restorer.channels):
        if white is not None:
            raise ConfigError(f"white is of grey and RGB, not of {bands} channels")
        return restorer.restore_array(samples)
    restored = restorer.restore_frame(Frame(samples=samples, white=white)).array()
    return (restored.copy() if np.may_share_memory(restored, array) else restored).reshape(array.shape)


def _restore_tensor(restorer: Restorer, tensor: Tensor, white: float | None) -> Tensor:
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise ImageError(f"Tensors must be uint8 or floats, not {tensor.dtype}")
    if tensor.ndim not in (3, 4) or not tensor.numel():
        raise ImageError(f"Tensors must be (C, H, W) or (B, C, H, W), not {tuple(tensor.shape)}")
    images = tensor if tensor.ndim == 4 else tensor[None]
    plain = images.detach().cpu()
    plain = plain if plain.dtype == torch.uint8 else plain.float()  # NumPy has no bfloat16
    restored = [_restore_array(restorer, image.permute(1, 2, 0).numpy(), white) for image in plain]
    result = torch.from_numpy(np.stack(restored)).permute(0, 3, 1, 2).to(tensor)
    return result if tensor.ndim == 4 else result[0]
