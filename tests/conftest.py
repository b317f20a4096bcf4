"""Fixtures that several folders of tests share."""

import logging
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import pellucid.imaging
from pellucid.atomic import HOST
from pellucid.cli.main import run

if TYPE_CHECKING:
    from pellucid.training.config import TrainConfig

os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton: there need be no GPU
torch.set_num_threads(1)  # tiny networks gain nothing from more, and lose much beside other programs

settings.register_profile("any machine", deadline=None)  # a busy one is slow, and no test is about that
settings.load_profile("any machine")

TINY_AST = {"embed_dim": 4, "depths": (1,) * 8 + (2,), "num_heads": (4, 4, 2, 2, 1)}


Run = Callable[..., tuple[int, str, str]]


def one_line(text: str) -> bool:
    """Whether the command said one line, and no traceback."""
    return text.startswith("pellucid: ") and text.count("\n") == 1


@dataclass(frozen=True)
class PlainConfig:
    in_channels: int = 3
    out_channels: int = 3


class Identity(nn.Module):
    """A network that gives its input back, and remembers the sizes it saw."""

    stride = 16
    alignment = 128

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.config = PlainConfig(channels, channels)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape))
        return image.clone()


def linear_profile() -> bytes:
    """The part of an ICC profile of linear light that is looked at."""
    curve = b"curv" + bytes(8)
    names = b"".join(name + struct.pack(">II", 128 + 4 + 36, len(curve)) for name in (b"rTRC", b"gTRC", b"bTRC"))
    return bytes(128) + struct.pack(">I", 3) + names + curve


def picture(path: Path, value: int = 100) -> Path:
    """Write a small PNG or JPEG of one grey, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 16, 3), value, np.uint8)).save(path)
    return path


def textured(path: Path, size: tuple[int, int] = (96, 80), *, seed: int = 0) -> Path:
    """Write a smooth made-up photograph of (width, height), in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def deep(path: Path, size: tuple[int, int] = (96, 80), *, seed: int = 0) -> Path:
    """Write a 16-bit PNG of (width, height) in colour, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 65536, (size[1], size[0], 3), np.uint16)
    pellucid.imaging.Photo(pixels=pixels).save(path)
    return path


def dng(path: Path) -> Path:
    """Write a raw file of a made-up camera: ramps of red and green, held upright."""
    import tifffile

    height, width = 96, 128
    rows, columns = np.mgrid[:height, :width]
    red, green, blue = columns / width, rows / height, np.full((height, width), 0.3)
    mosaic = np.where(rows % 2 == 0, np.where(columns % 2 == 0, red, green), np.where(columns % 2 == 0, green, blue))
    to_srgb = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)
    tags = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50708, 2, 9, "Pellucid", True),
        (50721, 10, 9, [part for value in to_srgb for part in (round(value * 10000), 10000)], True),
        (50728, 5, 3, [1, 1] * 3, True),
        (50778, 3, 1, 21, True),
        (271, 2, 9, "Pellucid", True),
        (274, 3, 1, 6, True),
        (700, 1, 6, b"<xmp/>", True),
    ]
    tifffile.imwrite(path, np.rint(mosaic * 52000).astype(np.uint16), photometric=32803, metadata=None, extratags=tags)
    return path


def drawn(
    count: int = 3, *, dtype: str = "uint8", alpha: bool = False, size: tuple[int, int] = (14, 11)
) -> Iterator[pellucid.imaging.Photo]:
    """Frames (height, width) of few colours, so that a GIF holds them as they are."""
    rng, top = np.random.default_rng(7), np.iinfo(dtype).max
    palette = rng.integers(0, top + 1, (200, 3), dtype)
    for _ in range(count):
        mask = ((rng.random(size) < 0.7) * top).astype(dtype)
        pixels = palette[rng.integers(0, len(palette), size)]
        yield pellucid.imaging.Photo(pixels=pixels, alpha=mask if alpha else None, lossless=True)


def animation(
    photos: Iterable[pellucid.imaging.Photo] | None = None,
    durations: tuple[float, ...] = (50.0, 120.0, 1000.0),
    plays: int = 0,
) -> pellucid.imaging.Picture:
    """A picture whose frames are shown one after the other, each for so many milliseconds."""
    timing = pellucid.imaging.Timing(durations=durations, plays=plays)
    return pellucid.imaging.Picture(count=len(durations), timing=timing, decode=lambda: photos or drawn(len(durations)))


def frames_of(path: Path) -> list[pellucid.imaging.Photo]:
    """All frames or pages of a file."""
    return [pellucid.imaging.Photo.of(frame) for frame in pellucid.imaging.open_picture(path).frames()]


def assert_same(photo: pellucid.imaging.Photo, other: pellucid.imaging.Photo) -> None:
    """Every sample of two photos is equal."""
    np.testing.assert_array_equal(photo.pixels, other.pixels)
    assert (photo.alpha is None) == (other.alpha is None)
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, other.alpha)


def left_behind(folder: Path, suffix: str) -> Path:
    """Write the unfinished file of a process that is gone: no process has so high a number."""
    path = folder / f".pellucid-{HOST}-{2**22 + 1}-{'0' * 16}{suffix}"
    path.write_text("half a file")
    return path


def damaged(whole: bytes, count: int = 60) -> Iterator[bytes]:
    """A file cut short, or with eight of its bytes changed, again and again; always the same ones."""
    rng = np.random.default_rng(11)
    for trial in range(count):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.integers(1, len(data))]
        else:
            for at in rng.integers(0, len(data), 8):
                data[at] = rng.integers(256)
        yield bytes(data)


@pytest.fixture(autouse=True)
def usual_logging() -> None:
    """Commands that ran in this process have set how much is logged; this test is not to notice."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("pellucid").setLevel(logging.NOTSET)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pellucid", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            run()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def config(tmp_path: Path) -> "TrainConfig":
    """Six steps of a tiny denoiser in fp32: two stages, an accumulated batch, stochastic depth."""
    from pellucid.training.config import DataConfig, NetworkConfig, OptimizerConfig, Stage, TrainConfig

    textured(tmp_path / "train" / "photo.png", seed=0)
    textured(tmp_path / "val" / "photo.png", seed=1)
    noise = {"gaussian": {"low": 25, "high": 25}}
    return TrainConfig(
        task="denoise",
        network=NetworkConfig(name="ast-t", overrides=TINY_AST | {"drop_path": 0.3}),
        data=DataConfig(train=tmp_path / "train", val=tmp_path / "val", degrade=noise, val_degrade={"sigma25": noise}),
        out=tmp_path / "run",
        stages=(Stage(patch=16, batch=4, iterations=3), Stage(patch=32, batch=2, iterations=3, accumulate=2)),
        optimizer=OptimizerConfig(lr=1e-3, warmup=2, clip_norm=1.0),
        every=3,
        precision="fp32",
        threads=1,  # in processes of their own too: sums are taken in another order by two
    )


@pytest.fixture
def identity() -> Identity:
    return Identity().eval()


@pytest.fixture(scope="session")
def tiny_ast() -> nn.Module:
    torch.manual_seed(0)
    return pellucid.create_network("ast-t", **TINY_AST).eval()


@pytest.fixture
def weights(tiny_ast: nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "tiny.safetensors"
    path.parent.mkdir()
    pellucid.save_network(tiny_ast, path, task="denoise", licence="Apache-2.0")
    return path


@pytest.fixture(scope="session")
def bundled_graph():
    """The first bundled model as an ONNX graph, not simplified: each parameter is there under its name.

    Tracing it takes half a minute.
    """
    from pellucid.inference.export.graph import capture

    return capture(pellucid.load_network(pellucid.list_models()[0].path))


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    from skimage.data import chelsea

    return chelsea()


@pytest.fixture(scope="session")
def randomise():
    """Fill every parameter with seeded noise of a sensible size, so that none is at a neutral value."""

    def fill(module: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in module.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(
                    parameter + 0.3 * noise if parameter.dim() == 1 else noise / parameter[0].numel() ** 0.5
                )
        return module

    return fill
