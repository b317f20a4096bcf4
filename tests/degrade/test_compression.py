import pytest
import torch
from torch import Tensor

from pellucid.degrade.compression import Jpeg, JpegParams, WebP, WebPParams
from pellucid.errors import ImageError


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
