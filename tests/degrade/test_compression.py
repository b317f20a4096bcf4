import pytest
import torch
from torch import Tensor

from pellucid.degrade.compression import Jpeg, JpegParams, JpegTwice, JpegTwiceParams, WebP, WebPParams, filed
from pellucid.errors import ConfigError, ImageError


@pytest.fixture(scope="module")
def crop() -> Tensor:
    from skimage.data import chelsea

    return torch.from_numpy(chelsea()[60:188, 100:228].copy()).permute(2, 0, 1)[None] / 255


def error(one: Tensor, other: Tensor) -> float:
    return (one - other).square().mean().item()


@pytest.mark.parametrize("channels", [1, 3])
def test_quality_is_monotone(crop: Tensor, channels: int) -> None:
    image = crop[:, :channels]
    qualities = (10, 30, 60, 95)
    jpeg = [error(Jpeg().apply(image, [JpegParams(quality=q, subsampling=0)]), image) for q in qualities]
    webp = [error(WebP().apply(image, [WebPParams(quality=q)]), image) for q in qualities]
    assert jpeg == sorted(jpeg, reverse=True)
    assert webp == sorted(webp, reverse=True)
    assert max(jpeg[-1], webp[-1]) < 2e-4


def test_subsampling_costs_colour(crop: Tensor) -> None:
    errors = [error(Jpeg().apply(crop, [JpegParams(quality=95, subsampling=s)]), crop) for s in (0, 1, 2)]
    assert errors[0] < errors[1] < errors[2]


def test_values_are_clipped_and_rounded_to_eight_bits(crop: Tensor) -> None:
    read = Jpeg().apply(crop * 3 - 1, [JpegParams(quality=90, subsampling=0)])
    torch.testing.assert_close((read * 255).round() / 255, read)
    assert read.min() >= 0
    assert read.max() <= 1


def test_each_picture_has_its_own_quality(crop: Tensor) -> None:
    params = [JpegParams(quality=q, subsampling=0) for q in (5, 95)]
    read = Jpeg().apply(crop.expand(2, -1, -1, -1), params)
    assert error(read[:1], crop) > 5 * error(read[1:], crop)


def test_half_precision_comes_back_as_it_was(crop: Tensor) -> None:
    assert WebP().apply(crop.bfloat16(), [WebPParams(quality=50)]).dtype == torch.bfloat16


def test_a_picture_too_long_for_the_format_is_an_error() -> None:
    with pytest.raises(ImageError, match="16383"):
        WebP().apply(torch.zeros(1, 1, 1, 16384), [WebPParams(quality=50)])


def test_qualities_fill_their_range() -> None:
    rng = torch.Generator().manual_seed(0)
    qualities = [Jpeg(quality=(30, 34)).sample(rng).quality for _ in range(200)]
    assert set(qualities) == {30, 31, 32, 33, 34}


def twice(first: int, second: int, **changes: int | float) -> JpegTwiceParams:
    files = (JpegParams(quality=quality, subsampling=0) for quality in (first, second))
    places = {"down": 0, "across": 0, "resize": 1.0, **changes}
    return JpegTwiceParams(first=next(files), second=next(files), **places)


def test_a_file_of_a_file_on_the_same_blocks_is_hardly_another(crop: Tensor) -> None:
    once = Jpeg().apply(crop, [JpegParams(quality=20, subsampling=0)])
    same = error(JpegTwice().apply(crop, [twice(20, 20)]), once)
    moved = error(JpegTwice().apply(crop, [twice(20, 20, down=4, across=3)]), once)
    resized = error(JpegTwice().apply(crop, [twice(20, 20, resize=1.3)]), once)
    assert 10 * same < min(moved, resized)


def test_blocks_of_the_first_file_lie_where_it_was_cut() -> None:
    ramp = torch.linspace(0.2, 0.8, 128).expand(1, 1, 128, 128)
    steps = JpegTwice().apply(ramp, [twice(5, 100, across=3)])[0, 0].diff(dim=1).abs().mean(0)
    columns = torch.stack([steps[i::8].mean() for i in range(8)])
    assert columns.argmax() == 4  # between columns 4 and 5: five are left of the first block, three were cut off


def test_no_file_no_loss(crop: Tensor) -> None:
    pair = crop.expand(2, -1, -1, -1)
    written = filed(pair, [None, JpegParams(quality=30, subsampling=0)])
    assert torch.equal(written[0], crop[0])
    assert error(written[1], crop[0]) > 1e-4


def test_a_first_file_without_size_is_an_error() -> None:
    with pytest.raises(ConfigError, match="resize must be above 0"):
        JpegTwice(resize=(0.0, 1.0))
