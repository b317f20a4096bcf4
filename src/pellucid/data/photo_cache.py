"""Photographs on disk, decoded once and held in memory as far as it reaches."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import find_pictures, read_photo, read_size, shrink, shrunk_size, to_depth

_BT601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def clean_photos(folder: Path) -> list[Path]:
    """Every picture below a folder, in the order of their paths.

    Raises:
        ConfigError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: {'is no folder' if folder.exists() else 'no such folder'} of photos")
    paths = find_pictures(folder)
    if not paths:
        raise ConfigError(f"{folder}: holds no picture that pellucid can read")
    return paths


def without_colour(photo: Tensor) -> Tensor:
    """The BT.601 luma of a picture (3, H, W), in three equal channels; one of a single channel as it is."""
    if len(photo) == 1:
        return photo
    luma = torch.tensordot(torch.from_numpy(_BT601).to(photo), photo, 1)
    return luma.expand_as(photo)


def to_float(photo: Tensor) -> Tensor:
    """A picture of uint8 or uint16, or a part of one, as float32 in [0, 1]."""
    return photo.to(torch.float32) / torch.iinfo(photo.dtype).max


def check_fits(path: Path, shape: Sequence[int], patch: int) -> None:
    """Refuse a picture (C, H, W) from which no square of this side can be cut.

    Raises:
        ConfigError: It is too small.
    """
    _, height, width = shape
    if min(height, width) < patch:
        raise ConfigError(f"{path}: {width}x{height} is smaller than a patch of {patch}")


class PhotoCache:
    """Pictures by their number, (C, H, W) uint8, or uint16 where the file is deeper than 8 bits; alpha is dropped.

    Those first asked for stay on the device until the budget is spent; the others are decoded each time. An epoch
    asks for every picture once, so that throwing the oldest out to hold the newest would save nothing.

    Attributes:
        paths: of the pictures.
        channels: 3 (grey files are expanded), or 1 if only grey is asked for.
        device: where the pictures are held.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        budget_bytes: int,
        device: torch.device | str = "cpu",
        grey: bool = False,
        longest: int | None = None,
    ) -> None:
        """Hold these pictures; nothing is read yet.

        Args:
            paths: of the pictures.
            budget_bytes: of the device's memory, for decoded pictures.
            device: where to hold them.
            grey: keep the luma of ITU-R BT.601 alone.
            longest: shrink larger pictures to this longer side.
        """
        self.paths = tuple(paths)
        self.channels = 1 if grey else 3
        self.device = torch.device(device)
        self._longest = longest
        self._bytes_left = budget_bytes
        self._held: dict[int, Tensor] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Picture ``index``, (C, H, W) on the device; not to be written to.

        Raises:
            ImageError: It cannot be read.
        """
        held = self._held.get(index)
        if held is None:
            held = self._decode(self.paths[index])
            self._hold(index, held)
        return held

    def shape(self, index: int) -> tuple[int, int, int]:
        """(C, H, W) of picture ``index``, from its file's header where that tells.

        Raises:
            ImageError: It cannot be read.
        """
        if index not in self._sizes:
            size = read_size(self.paths[index]) or (self[index].shape[1], self[index].shape[2])
            self._sizes[index] = shrunk_size(*size, self._longest) if self._longest else size
        return self.channels, *self._sizes[index]

    def _hold(self, index: int, photo: Tensor) -> None:
        size = photo.untyped_storage().nbytes()
        with self._lock:
            if index not in self._held and size <= self._bytes_left:
                self._bytes_left -= size
                self._held[index] = photo

    def _decode(self, path: Path) -> Tensor:
        pixels = read_photo(path).pixels
        try:
            pixels = to_depth(pixels, np.uint8 if pixels.dtype == np.uint8 else np.uint16)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None
        if pixels.shape[2] > self.channels:
            pixels = np.rint(pixels @ _BT601).astype(pixels.dtype)[:, :, None]
        if self._longest and max(pixels.shape) > self._longest:
            pixels = to_depth(shrink(pixels, self._longest), pixels.dtype)
        # expanded last, so that grey takes the memory of one channel
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().to(self.device).expand(self.channels, -1, -1)
