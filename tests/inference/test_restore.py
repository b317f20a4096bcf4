from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import pellucid
from pellucid.errors import ConfigError, ImageError, ModelError
from pellucid.imaging import Photo

from conftest import Identity

RNG = np.random.default_rng(0)


def test_a_path_gives_a_photo_that_saves(identity: Identity, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    pellucid.restore(tmp_path / "in.png", model=identity, tile="off").save(tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), pixels)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_pil_image_gives_a_pil_image(identity: Identity, mode: str) -> None:
    image = Image.fromarray(RNG.integers(0, 256, (40, 50, 4), np.uint8)).convert(mode)
    restored = pellucid.restore(image, model=identity, tile="off")
    assert isinstance(restored, Image.Image)
    assert restored.mode == mode
    np.testing.assert_array_equal(np.asarray(restored), np.asarray(image))


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 2), (40, 50, 3), (40, 50, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_an_array_gives_an_array_of_its_shape_and_type(identity: Identity, shape: tuple[int, ...], dtype: str) -> None:
    array = (RNG.random(shape) * (1 if dtype.startswith("f") else np.iinfo(dtype).max)).astype(dtype)
    restored = pellucid.restore(array, model=identity, tile="off")
    assert isinstance(restored, np.ndarray)
    assert restored.dtype == array.dtype
    np.testing.assert_allclose(restored, array, atol=1e-3 if dtype == "float16" else 1e-7)


@pytest.mark.parametrize("shape", [(3, 40, 50), (4, 40, 50), (2, 3, 40, 50), (2, 1, 40, 50)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_a_tensor_gives_a_tensor_of_its_shape_and_type(
    identity: Identity, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    tensor = torch.rand(shape).mul(255 if dtype == torch.uint8 else 1).to(dtype)
    restored = pellucid.restore(tensor, model=identity, tile="off")
    assert isinstance(restored, torch.Tensor)
    assert restored.dtype == dtype
    torch.testing.assert_close(restored, tensor)


def test_dual_pixel_pairs_give_one_picture() -> None:
    network = pellucid.create_network(
        "restormer", dim=2, num_blocks=(1,) * 4, num_heads=(1,) * 4, in_channels=6, dual_pixel=True
    )
    pair = RNG.random((40, 50, 6)).astype(np.float32)
    assert pellucid.restore(pair, model=network, tile="off").shape == (40, 50, 3)
    assert pellucid.restore(torch.rand(6, 40, 50), model=network).shape == (3, 40, 50)


def test_an_array_with_alpha_keeps_it(tiny_ast: nn.Module) -> None:
    array = RNG.integers(0, 256, (40, 50, 4), np.uint8)
    restored = pellucid.restore(array, model=tiny_ast, tile="off")
    np.testing.assert_array_equal(restored[:, :, 3], array[:, :, 3])
    assert (restored[:, :, :3] != array[:, :, :3]).any()


def test_a_photo_gives_a_photo(identity: Identity) -> None:
    photo = Photo(pixels=RNG.integers(0, 256, (40, 50, 1), np.uint8), icc=b"profile")
    restored = pellucid.restore(photo, model=identity, tile="off")
    np.testing.assert_array_equal(restored.pixels, photo.pixels)
    assert restored.icc == b"profile"


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.int32),
        np.zeros((4, 4), bool),
        np.zeros(4, np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        torch.zeros(4, 4),
        torch.zeros(3, 4, 4, dtype=torch.int64),
        [[0, 1], [1, 0]],
    ],
)
def test_what_is_no_picture_is_refused(identity: Identity, wrong: object) -> None:
    with pytest.raises(ImageError):
        pellucid.restore(wrong, model=identity)


def test_values_that_are_no_numbers_are_refused(identity: Identity) -> None:
    with pytest.raises(ImageError, match="infinite or undefined"):
        pellucid.restore(np.full((16, 16, 3), np.nan, np.float32), model=identity, tile="off")


def test_the_bundled_denoiser_helps(photo: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).normal(0, 25, photo.shape)
    noisy = (photo + noise).clip(0, 255).round().astype(np.uint8)
    restored = pellucid.restore(noisy, task="denoise")
    assert pellucid.metrics.psnr(restored, photo) > pellucid.metrics.psnr(noisy, photo) + 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ast-s-denois"}, "Did you mean 'ast-s-denoise'"),
        ({"task": "derian"}, "Did you mean 'derain'"),
        ({"task": "defocus"}, "No weights for 'defocus'"),
        ({"task": "denoise", "model": "ast-s-denoise"}, "not both"),
    ],
)
def test_unknown_models_and_tasks_name_the_nearest(options: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        pellucid.restore(np.zeros((8, 8, 3), np.uint8), **options)


@pytest.mark.parametrize(("white", "warned"), [(1.0, False), (4.0, False), (255.0, True)])
def test_floats_up_to_255_are_warned_of(
    identity: Identity, caplog: pytest.LogCaptureFixture, white: float, warned: bool
) -> None:
    pellucid.restore(np.full((20, 30, 3), white, np.float32), model=identity, tile="off")
    assert ("white is expected at 1" in caplog.text) == warned
    assert caplog.text.count("white is expected") <= 1


@pytest.mark.parametrize(("dtype", "white"), [("float32", 255), ("float64", 65535), ("uint16", 4095), ("uint16", 1023)])
def test_white_may_be_anywhere(tiny_ast: nn.Module, dtype: str, white: float) -> None:
    array = np.rint(RNG.random((40, 50, 3)) * white).astype(dtype)
    expected = pellucid.restore((array / white).astype(np.float32), model=tiny_ast, tile="off") * white
    restored = pellucid.restore(array, model=tiny_ast, tile="off", white=white)
    assert restored.dtype == dtype
    if dtype == "uint16":
        expected = np.rint(expected).clip(0, 65535)
    np.testing.assert_allclose(restored, expected, atol=1 if dtype == "uint16" else white / 1e4)


def test_transparent_parts_of_arrays_come_back(tiny_ast: nn.Module) -> None:
    array = RNG.integers(0, 256, (40, 50, 4), np.uint8)
    array[:20, :, 3] = 0
    restored = pellucid.restore(array, model=tiny_ast, tile="off")
    np.testing.assert_array_equal(restored[:20], array[:20])
    assert (restored[20:] != array[20:]).any()


@pytest.mark.parametrize("white", [0, -1, float("nan"), float("inf")])
def test_white_is_above_black(identity: Identity, white: float) -> None:
    with pytest.raises(ConfigError, match="white must be above 0"):
        pellucid.restore(np.zeros((8, 8, 3), np.uint8), model=identity, white=white)
