"""The pictures of a benchmark: found, counted, read, and given their noise."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.benchmark.registry import GAUSSIAN, PAIRS, Benchmark, find_benchmark, registered
from pellucid.data.layouts import find_pairs
from pellucid.degrade import degrade_photo
from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import Photo, find_pictures, looks_like_picture, read_photo, read_size, to_depth

FIRST_SEED = 1_000_000  # of degradations that are made here; a run's validation begins at 0


_TRIAL = Photo(pixels=np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8))  # shows what a degradation does


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture of a benchmark.

    Attributes:
        name: its path below the benchmark's folder.
        inputs: files of the degraded picture, two for dual pixels; none if it is the target with noise.
        target: file of the clean picture.
        sigma: of the noise that is added, on the scale of 0-255.
        degrade: how the picture is degraded, and the seed of that; None where ``inputs`` or ``sigma`` say it.
        channels: as ``Benchmark.channels``.
    """

    name: str
    inputs: tuple[Path, ...]
    target: Path
    sigma: float | None
    channels: int | None
    degrade: tuple[Mapping[str, Mapping[str, Any]], int] | None = None

    def digest(self) -> str:
        """What the picture is made of, as a hash: another one under an old name, or other haze, is another sample."""
        digest = hashlib.sha256()
        for path in (*self.inputs, self.target):
            digest.update(path.read_bytes())
        if self.degrade:
            options, seed = self.degrade
            digest.update(degrade_photo(_TRIAL, options, seed=seed).pixels.tobytes())
        return digest.hexdigest()[:16]

    def load(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The network's input, (H, W, C) in the files' depth or floats with noise, and the target, uint8 or uint16.

        Raises:
            ImageError: a file that cannot be read, or colours where grey is tested.
        """
        target = self._read(self.target)
        if self.degrade or self.sigma is not None or target.dtype.kind == "f":
            target = to_depth(target, np.uint8)
        if self.degrade:
            options, seed = self.degrade
            return degrade_photo(Photo(pixels=target), options, seed=seed).pixels, target
        if self.sigma is not None:
            return add_test_noise(target, self.sigma), target
        return np.concatenate([self._read(path) for path in self.inputs], axis=2), target

    def _read(self, path: Path) -> NDArray[Any]:
        pixels = read_photo(path).pixels
        if self.channels == 3 and pixels.shape[2] == 1:
            return np.repeat(pixels, 3, axis=2)
        if self.channels == 1 and pixels.shape[2] == 3:
            if (pixels != pixels[:, :, :1]).any():
                raise ImageError(f"{path}: is in colour, and this benchmark is grey")
            return pixels[:, :, :1]
        return pixels


def add_test_noise(clean: NDArray[np.uint8], sigma: float) -> NDArray[np.float32]:
    """The literature's noisy input for a clean uint8 picture: floats around [0, 1], not clipped.

    NumPy's legacy generator is seeded with 0 before each picture.
    """
    legacy = np.random.RandomState(0)
    noise = legacy.normal(0, sigma / 255, clean.shape)
    return (clean / 255 + noise).astype(np.float32)


def parse_target(text: str) -> tuple[Benchmark, Path]:
    """What ``BENCHMARK=FOLDER`` or ``FOLDER`` on a command line means.

    A folder named after a registered benchmark is that benchmark; any other holds pairs, if ``find_pairs`` finds some,
    or else clean pictures for Gaussian noise.

    Raises:
        ConfigError: no such benchmark, or no such folder.
    """
    id, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return find_benchmark(id), _existing(Path(path))
    folder = _existing(Path(text))
    return registered(folder) or _unregistered(folder), folder


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    return folder


def _unregistered(folder: Path) -> Benchmark:
    try:
        find_pairs(folder)
    except ConfigError as error:
        if not any(looks_like_picture(path) for path in folder.iterdir()) and find_pictures(folder):
            raise ConfigError(f"{error}; or test it as clean pictures: gaussian={folder}") from None
        return GAUSSIAN
    return PAIRS


def find_samples(benchmark: Benchmark, folder: Path, sigma: float | None = None) -> list[Sample]:
    """Every picture of a benchmark in a folder, in order; only the heads of files are read.

    Raises:
        ConfigError: nothing there, another count than the benchmark has, inputs without targets, or sizes that differ.
    """
    if benchmark.kind != "pairs":
        files = [((), path) for path in find_pictures(folder)]
    else:
        pairs = find_pairs(folder, dual_pixel=benchmark.dual_pixel)
        files = [(pair.inputs, pair.target) for pair in pairs]
    if not files:
        raise ConfigError(f"{folder}: no picture in it")
    _check_count(benchmark, folder, len(files))
    _check_sizes(benchmark, files)
    return [
        Sample(
            name=(inputs[0] if inputs else target).relative_to(folder).as_posix(),
            inputs=inputs,
            target=target,
            sigma=sigma,
            channels=benchmark.channels,
            degrade=(benchmark.degrade, FIRST_SEED + number) if benchmark.kind == "degraded" else None,
        )
        for number, (inputs, target) in enumerate(files)
    ]


def _check_count(benchmark: Benchmark, folder: Path, found: int) -> None:
    if benchmark.count in (None, found):
        return
    what = "pairs" if benchmark.kind == "pairs" else "pictures"
    own = PAIRS.id if benchmark.kind == "pairs" else GAUSSIAN.id
    raise ConfigError(
        f"{folder}: holds {found} {what}, {benchmark.id} has {benchmark.count}; to test these alone: {own}={folder}"
    )


def _check_sizes(benchmark: Benchmark, files: Sequence[tuple[tuple[Path, ...], Path]]) -> None:
    for inputs, target in files:
        expected = read_size(target)
        for path in inputs:
            if (size := read_size(path)) and expected and size != expected:
                raise ConfigError(f"{path}: is {_spelled(size)}, but its target {target.name} {_spelled(expected)}")
        if benchmark.size and expected and sorted(expected) != sorted(benchmark.size):
            wanted = _spelled((benchmark.size[1], benchmark.size[0]))
            raise ConfigError(f"{target}: is {_spelled(expected)}, but those of {benchmark.id} are {wanted}")


def _spelled(size: tuple[int, int]) -> str:
    """Width and height of (height, width)."""
    return f"{size[1]}x{size[0]}"
