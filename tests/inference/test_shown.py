"""What networks are shown of a picture, and that all they are not shown comes back."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from pellucid.imaging import Frame, Photo
from pellucid.imaging.carried import Cicp
from pellucid.imaging.rows import Streamed
from pellucid.inference import Restorer
from pellucid.inference.shown import Shown

from conftest import Identity, linear_profile

RNG = np.random.default_rng(3)
SIZE = (205, 310)


class Brighter(Identity):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + 2 / 255


class Seen(Identity):
    """Keeps what it sees."""

    def forward(self, image: Tensor) -> Tensor:
        self.image = image[0].permute(1, 2, 0).numpy().copy()
        return super().forward(image)


def seen(frame: Frame) -> NDArray[Any]:
    network = Seen().eval()
    Photo.of(Restorer(network, tile="off").restore_frame(frame))
    return network.image


def samples(dtype: str, bands: int = 3) -> NDArray[Any]:
    values = RNG.random((*SIZE, bands))
    return (values if dtype == "float32" else values * np.iinfo(dtype).max).astype(dtype)


def by_rows(frame: Frame) -> tuple[Frame, list[int]]:
    """The same, a few rows at a time, counting how often they are begun."""
    begun: list[int] = []

    def start() -> Iterator[NDArray[Any]]:
        begun.append(1)
        for top in range(0, frame.height, 13):
            yield frame.samples[top : top + 13]

    return frame.with_samples(Streamed((*SIZE, frame.samples.shape[2]), frame.dtype, start)), begun


CARRIED: dict[str, dict[str, Any]] = {
    "plain": {},
    "linear": {"icc": linear_profile()},
    "linear by numbers": {"cicp": Cicp(9, 8)},
    "white": {"white": 0.25},
    "no data": {"no_data": 0.0},
    "all": {"icc": linear_profile(), "white": 0.5, "no_data": 0.0},
}


@pytest.mark.parametrize("name", CARRIED)
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_by_rows_and_whole_are_the_same_and_what_stays_is_bit_by_bit(name: str, bands: int, dtype: str) -> None:
    carried = dict(CARRIED[name])
    pixels = samples(dtype, bands)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    if "white" in carried:
        carried["white"] *= top
    hidden = RNG.random(SIZE) < 0.2
    hidden[40:90, 100:200] = True
    if bands in (2, 4):
        pixels[hidden, -1] = 0
    if "no_data" in carried:
        pixels[hidden] = 0
    frame = Frame(samples=pixels, **carried)
    streamed, begun = by_rows(frame)

    restored = Restorer(Identity(), tile=64).restore_frame(streamed).array()
    # the mean of three equal floats is not always that float
    np.testing.assert_allclose(restored, pixels, rtol=0, atol=1e-6 if frame.channels == 1 and dtype == "float32" else 0)
    whole = Restorer(Brighter(), tile=64).restore_frame(frame).array()
    streamed, begun = by_rows(frame)
    np.testing.assert_array_equal(Restorer(Brighter(), tile=64).restore_frame(streamed).array(), whole)
    assert len(begun) <= 3, "decoders are not begun again and again"
    assert (whole.shape, whole.dtype) == (pixels.shape, pixels.dtype)
    if bands in (2, 4):
        np.testing.assert_array_equal(whole[..., -1], pixels[..., -1])
    if bands in (2, 4) or "no_data" in carried:
        np.testing.assert_array_equal(whole[hidden], pixels[hidden])
    assert (whole != pixels).any()


def test_hidden_parts_are_filled_by_rows_too() -> None:
    pixels = np.full((300, 200, 4), 200, np.uint8)
    pixels[:, 50:180] = 0
    for frame in Frame(samples=pixels), by_rows_of(pixels):
        np.testing.assert_allclose(seen(frame), 200 / 255, atol=1e-6)


def by_rows_of(pixels: NDArray[Any]) -> Frame:
    shape = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
    return Frame(samples=Streamed(shape, pixels.dtype, lambda: iter(np.array_split(pixels, 20))))


@pytest.mark.parametrize(
    ("dtype", "white"), [("float32", 255.0), ("float32", 65535.0), ("uint16", 4095), ("uint16", 1023)]
)
def test_white_is_at_one(dtype: str, white: float) -> None:
    pixels = (RNG.random((30, 40, 3)) * white).astype(dtype)
    frame = Frame(samples=pixels, white=white)
    np.testing.assert_allclose(seen(frame), pixels / white, atol=1e-6)
    brighter = Restorer(Brighter(), tile=64).restore_frame(frame).array()
    np.testing.assert_allclose(
        brighter - pixels.astype(float), 2 / 255 * white, atol=0.6 if dtype == "uint16" else 0.01
    )


@pytest.mark.parametrize("no_data", [-9999.0, float("nan"), 0.0])
def test_what_is_not_known_is_not_seen(no_data: float) -> None:
    pixels = np.full((40, 40, 3), 0.5, np.float32)
    pixels[10:20] = no_data
    frame = Frame(samples=pixels, no_data=no_data)
    assert (seen(frame) == 0.5).all()
    np.testing.assert_array_equal(Restorer(Brighter(), tile=64).restore_frame(frame).array()[10:20], pixels[10:20])


def test_black_in_one_colour_is_no_missing_value() -> None:
    red = np.zeros((20, 20, 3), np.uint8)
    red[:10, :, 0] = 255
    image = seen(Frame(samples=red, no_data=0))
    assert (image == (1, 0, 0)).all()


@pytest.mark.parametrize(
    ("pixels", "carried", "said"),
    [
        (np.full((20, 30, 3), 255, np.float32), {}, "white is expected at 1"),
        (np.full((20, 30, 3), 255, np.float32), {"white": 255}, None),
        (np.full((20, 30, 3), 4, np.float32), {}, None),
        (np.full((20, 30, 3), 4000, np.uint16), {}, "`white=4095`"),
        (np.full((20, 30, 3), 900, np.uint16), {}, "`white=1023`"),
        (np.full((20, 30, 3), 900, np.uint16), {"white": 1023}, None),
        (np.full((20, 30, 3), 900, np.uint16), {"bits": 12}, None),
        (np.full((20, 30, 3), 40000, np.uint16), {}, None),
        (np.zeros((20, 30, 3), np.uint16), {}, None),
        (np.full((20, 30, 3), 9, np.uint8), {}, None),
    ],
)
def test_white_that_is_probably_elsewhere_is_warned_of(
    caplog: pytest.LogCaptureFixture, pixels: NDArray[Any], carried: dict[str, Any], said: str | None
) -> None:
    Restorer(Identity(), tile=64).restore_frame(Frame(samples=pixels, **carried)).array()
    assert ("white" in caplog.text) == (said is not None)
    assert said is None or said in caplog.text


def test_numbers_for_hdr_are_seen_as_they_are() -> None:
    pixels = samples("uint16")
    for cicp in Cicp(9, 16), Cicp(9, 18):
        assert Shown(Frame(samples=pixels, cicp=cicp)).dtype == np.uint16
