"""More than 300 lines: what one class promises."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid import load_network
from pellucid.errors import ConfigError, RestoreError
from pellucid.imaging import Photo, to_depth
from pellucid.inference import Restorer
from pellucid.inference.detection import view_boxes
from pellucid.inference.guard import TileEvent, TileWatch
from pellucid.inference.tilesize import TileSizes
from pellucid.models.detector import STEEPNESS, Detector
from pellucid.zoo import find_model

from conftest import Identity, linear_profile


@settings(max_examples=60)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    tile=st.sampled_from([64, 100, 256]),
)
def test_identity_gives_every_pixel_back_whatever_the_tiles(
    height: int, width: int, channels: int, dtype: str, tile: int
) -> None:
    largest = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, largest, (height, width, channels), dtype, endpoint=True)
    restored = Restorer(Identity(), tile=tile).restore_array(pixels)
    assert restored.dtype == pixels.dtype
    np.testing.assert_array_equal(restored, pixels)


def test_floats_are_neither_clipped_nor_rounded(identity: Identity) -> None:
    pixels = np.random.default_rng(0).normal(0.5, 2, (150, 140, 3)).astype(np.float32)
    np.testing.assert_allclose(Restorer(identity, tile=64).restore_array(pixels), pixels, atol=1e-6)


def test_integers_saturate() -> None:
    class Overshoot(Identity):
        def forward(self, image: Tensor) -> Tensor:
            return 2 * image - 128 / 255

    pixels = np.array([0, 101, 255], np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    restored = Restorer(Overshoot(), tile=64).restore_array(pixels)
    assert restored[0, :, 0].tolist() == [0, 74, 255]


def test_tiles_never_exceed_the_side_asked_for(identity: Identity) -> None:
    Restorer(identity, tile=200).restore_array(np.zeros((700, 900, 3), np.uint8))
    assert max(max(shape[2:]) for shape in identity.seen) <= 200
    assert len(identity.seen) > 1


def test_tile_off_is_one_pass(identity: Identity) -> None:
    Restorer(identity, tile="off").restore_array(np.zeros((700, 900, 3), np.uint8))
    assert identity.seen == [(1, 3, 700, 900)]


def test_automatic_tiles_fit_the_memory_there_is(tiny_ast: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    for megabytes in (0.5, 50, 100_000):
        monkeypatch.setattr("pellucid.inference.tilesize.available_bytes", lambda _, m=megabytes: int(m * 2**20))
        sides.append(Restorer(tiny_ast)._tile_side((5000, 5000)))
    assert sides[0] == 64
    assert sides[0] < sides[1] < sides[2] <= 1088


def test_grey_goes_through_a_colour_network_and_colour_through_a_grey_one(identity: Identity) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (70, 80, 1), np.uint8)
    np.testing.assert_array_equal(Restorer(identity, tile="off").restore_array(grey), grey)
    assert identity.seen == [(1, 3, 70, 80)]

    network = Identity(channels=1)
    colour = np.random.default_rng(0).integers(0, 256, (70, 80, 3), np.uint8)
    np.testing.assert_array_equal(Restorer(network, tile="off").restore_array(colour), colour)
    assert network.seen == [(3, 1, 70, 80)]


def test_channels_that_do_not_fit_are_refused() -> None:
    for channels in (1, 3):
        with pytest.raises(RestoreError, match=f"6 channels, not {channels}"):
            Restorer(Identity(channels=6), tile="off").restore_array(np.zeros((64, 64, channels), np.uint8))


def test_every_pixel_is_counted_as_it_is_finished(identity: Identity) -> None:
    counts: list[int] = []
    Restorer(identity, tile=200).restore_array(np.zeros((333, 517, 3), np.uint8), on_tile=counts.append)
    assert len(counts) == len(identity.seen)
    assert sum(counts) == 333 * 517


def test_tiles_are_batched_where_that_is_quicker(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 1100, 3), np.uint8)
    monkeypatch.setattr(TileSizes, "batch", lambda self, side: 3)
    np.testing.assert_array_equal(Restorer(identity, tile=256).restore_array(pixels), pixels)
    assert max(shape[0] for shape in identity.seen) == 3


class OutOfMemoryAbove(Identity):
    """Fails like PyTorch's CPU allocator on images of more pixels than it is given."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[0] * image.shape[2] * image.shape[3] > self.pixels:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        return super().forward(image)


def test_out_of_memory_is_tried_again_smaller(caplog: pytest.LogCaptureFixture) -> None:
    network = OutOfMemoryAbove(150 * 150)
    pixels = np.random.default_rng(0).integers(0, 256, (400, 390, 3), np.uint8)
    np.testing.assert_array_equal(Restorer(network, tile="off").restore_array(pixels), pixels)
    assert "out of memory" in caplog.text


def test_out_of_memory_on_a_batch_is_tried_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    network = OutOfMemoryAbove(256 * 256)
    monkeypatch.setattr(TileSizes, "batch", lambda self, side: 4)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 1500, 3), np.uint8)
    np.testing.assert_array_equal(Restorer(network, tile=256).restore_array(pixels), pixels)
    assert {shape[0] for shape in network.seen} == {1}


def test_out_of_memory_at_the_smallest_tile_is_an_error() -> None:
    with pytest.raises(RestoreError, match="not enough memory"):
        Restorer(OutOfMemoryAbove(0), tile="off").restore_array(np.zeros((300, 300, 3), np.uint8))


def test_other_runtime_errors_are_not_taken_for_memory() -> None:
    class Broken(Identity):
        def forward(self, image: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Restorer(Broken(), tile="off").restore_array(np.zeros((64, 64, 3), np.uint8))


def test_values_that_overflow_in_half_precision_are_done_again_in_float32() -> None:
    class Overflows(Identity):
        def forward(self, image: Tensor) -> Tensor:
            return image * torch.inf if torch.is_autocast_enabled("cpu") else image

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    watch = TileWatch()
    restored = Restorer(Overflows(), tile="off", precision="bf16").restore_array(pixels, watch=watch)
    np.testing.assert_array_equal(restored, pixels)
    assert watch.events == [TileEvent(box=(0, 0, 64, 64), problem="undefined values", remedy="fp32")]


def test_values_that_are_no_numbers_are_an_error() -> None:
    class Broken(Identity):
        def forward(self, image: Tensor) -> Tensor:
            return image * torch.nan

    with pytest.raises(RestoreError, match="undefined values in every tile"):
        Restorer(Broken(), tile="off").restore_array(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"tile": "of"}, "`tile` must be"),
        ({"tile": 8}, "`tile` must be at least"),
        ({"precision": "int8"}, "`precision` must be"),
        ({"device": "gpu"}, "`device` 'gpu'"),
        ({"overlap": -1}, "`overlap`"),
        ({"overlaps": 1}, "Did you mean 'overlap'"),
    ],
)
def test_impossible_options_say_what_is_possible(identity: Identity, option: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Restorer(identity, **option)


class Brighten(Identity):
    """Adds so many grey levels."""

    def __init__(self, levels: float) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + self.levels / 255

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        return image, [image]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("working_side", [None, 64])
def test_what_the_detector_takes_for_clean_is_passed_through(
    dtype: type, channels: int, working_side: int | None
) -> None:
    rng, network = np.random.default_rng(0), Brighten(4)
    dark, bright = (
        to_depth(rng.uniform(low, low + 0.4, (700, 300, channels)).astype(np.float32), dtype) for low in (0.0, 0.5)
    )
    network.working_side = working_side
    assert not np.array_equal(Restorer(network, tile=64).restore_array(dark), dark)
    network.detector = Detector(torch.tensor([1.0] * 3 + [0.0] * 9), torch.tensor(-1.5))  # bright is degraded
    restorer, watch, done = Restorer(network, tile=64), TileWatch(), list[int]()
    restored = restorer.restore_array(dark, on_tile=done.append, watch=watch)
    assert watch.taken_for_clean
    assert sum(done) == 700 * 300
    with pytest.raises(RestoreError, match="takes images of 3 channels, not 4"):
        restorer.restore_array(np.zeros((9, 9, 4), dtype))
    assert np.array_equal(restored, dark)
    assert not np.shares_memory(restored, dark)
    assert not np.array_equal(restorer.restore_array(bright), bright)
    assert not np.array_equal(Restorer(network, tile=64, keep_clean=False).restore_array(dark), dark)


@pytest.mark.parametrize("working_side", [None, 64])
def test_where_it_is_not_sure_less_is_changed(working_side: int | None, caplog: pytest.LogCaptureFixture) -> None:
    network, watch = Brighten(40), TileWatch()
    network.working_side = working_side
    network.detector = Detector(torch.tensor([1.0] * 3 + [0.0] * 9), torch.tensor(-1.0), torch.tensor(1.0))
    grey = np.full((200, 150, 3), 0.6, np.float32)  # evidence 3 · 0.6 - 1 = 0.8
    share = 1 / (1 + np.exp(STEEPNESS * (1.0 - 0.8)))
    restored = Restorer(network, tile=64, precision="fp32").restore_array(grey, watch=watch)
    np.testing.assert_allclose(restored - grey, share * 40 / 255, atol=1e-4)
    assert watch.share == pytest.approx(share, abs=1e-3)
    assert "perhaps nothing is to mend, so 31% of the change is made" in caplog.text
    everything = Restorer(network, tile=64, precision="fp32", keep_clean=False).restore_array(grey)
    np.testing.assert_allclose(everything - grey, 40 / 255, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (100, 3000), (256, 256), (257, 300), (4000, 6000)])
def test_views_lie_in_the_picture_from_top_to_bottom(height: int, width: int) -> None:
    boxes = view_boxes(height, width)
    assert 1 <= len(boxes) <= 6
    tops = [rows.start for rows, _ in boxes]
    assert tops == sorted(tops)
    for rows, columns in boxes:
        assert 0 <= rows.start <= max(height - 256, 0)
        assert 0 <= columns.start <= max(width - 256, 0)
    if min(height, width) > 1000:
        assert len({box[0].start // (height // 6) for box in boxes}) == 6
        assert len({box[1].start // (width // 3) for box in boxes}) == 3


def test_everything_but_the_pixels_is_carried_over(identity: Identity) -> None:
    pixels = np.zeros((20, 30, 3), np.uint16)
    alpha = np.arange(600, dtype=np.uint16).reshape(20, 30)
    photo = Photo(pixels=pixels, alpha=alpha, icc=b"profile", dpi=(300.0, 300.0), format="TIFF")
    restored = Restorer(identity, tile="off").restore(photo)
    np.testing.assert_array_equal(restored.alpha, alpha)
    assert (restored.icc, restored.dpi, restored.format) == (b"profile", (300.0, 300.0), "TIFF")


@pytest.fixture(scope="module")
def denoiser() -> nn.Module:
    return load_network(find_model(task="denoise"))


def test_tiled_and_whole_differ_by_far_less_than_a_grey_level(denoiser: nn.Module) -> None:
    from skimage.data import astronaut

    noise = np.random.default_rng(0).normal(0, 25 / 255, astronaut().shape)
    noisy = (astronaut() / 255 + noise).astype(np.float32)
    whole = Restorer(denoiser, tile="off").restore_array(noisy)
    tiled = Restorer(denoiser, tile=320).restore_array(noisy)
    assert 255 * np.sqrt(np.mean((whole - tiled) ** 2)) < 0.15


def test_bf16_changes_less_than_a_grey_level_on_average(denoiser: nn.Module, photo: NDArray[np.uint8]) -> None:
    exact = Restorer(denoiser, precision="fp32").restore_array(photo).astype(int)
    quick = Restorer(denoiser, precision="bf16").restore_array(photo).astype(int)
    assert 0 < np.abs(exact - quick).mean() < 1


class Blurred(Identity):
    """Means over 5x5 pixels."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False)


def test_what_lies_below_transparency_does_not_bleed_into_what_is_seen(identity: Identity) -> None:
    pixels = np.full((40, 40, 3), 200, np.uint8)
    alpha = np.full((40, 40), 255, np.uint8)
    pixels[:, 20:], alpha[:, 20:] = 0, 0
    restored = Restorer(Blurred(), tile=64).restore(Photo(pixels=pixels, alpha=alpha))
    np.testing.assert_array_equal(restored.pixels, pixels)
    np.testing.assert_array_equal(restored.alpha, alpha)


def test_very_wide_pictures_take_no_more_memory_than_a_row_of_tiles(identity: Identity) -> None:
    pixels = np.zeros((120, 60_000, 3), np.uint8)
    alpha = np.zeros((120, 60_000), np.uint8)
    alpha[::2] = 255
    restorer, photo = Restorer(identity, tile=320), Photo(pixels=pixels, alpha=alpha)
    restorer.restore(Photo(pixels=pixels[:, :500], alpha=alpha[:, :500]))  # what is allocated once
    tracemalloc.start()
    restorer.restore(photo)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * alpha.size  # 12 of them are the row as floats


class Noted(Identity):
    """Notes the mean of what it sees."""

    mean = 0.0

    def forward(self, image: Tensor) -> Tensor:
        self.mean = image.mean().item()
        return image.clone()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_networks_see_linear_light_as_the_eye_does_and_it_comes_back(dtype: type) -> None:
    linear = linear_profile()
    pixels = to_depth(np.full((150, 150, 3), 0.2140, np.float32), dtype)
    pixels[::3] //= 2 if dtype is not np.float32 else 1
    network = Noted().eval()
    restored = Restorer(network, tile=64).restore(Photo(pixels=pixels, icc=linear))
    np.testing.assert_array_equal(restored.pixels, pixels)
    assert network.mean > 1.4 * pixels.mean() / (np.iinfo(dtype).max if dtype is not np.float32 else 1)


def test_floats_come_back_bit_by_bit_where_nothing_changes(identity: Identity) -> None:
    pixels = np.random.default_rng(0).normal(0.5, 2, (150, 140, 3)).astype(np.float32)
    np.testing.assert_array_equal(Restorer(identity, tile=64).restore_array(pixels), pixels)
