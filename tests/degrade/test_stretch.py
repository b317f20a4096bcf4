import pytest
import torch

from pellucid.degrade.stretch import Stretch, StretchParams


def stretched(image: torch.Tensor, factor: float, angle: float) -> torch.Tensor:
    return Stretch().apply(image, [StretchParams(factor=factor, angle=angle)] * len(image))


def test_by_one_nothing_changes() -> None:
    image = torch.rand(2, 3, 20, 31)
    torch.testing.assert_close(stretched(image, 1.0, 20.0), image, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("angle", "axis"), [(0.0, 0), (90.0, 1)])
def test_lengths_grow_along_the_direction_alone(angle: float, axis: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    ramps = torch.stack([rows / 59, columns / 79])[:, None]
    seen = stretched(ramps, 2.0, angle)
    for which, (ramp, before) in enumerate(zip(seen, ramps, strict=True)):
        inner, was = (picture[0, 10:-10, 10:-10].diff(dim=which).mean() for picture in (ramp, before))
        assert inner / was == pytest.approx(0.5 if which == axis else 1.0, rel=1e-2)


def test_noise_becomes_lines_in_the_direction() -> None:
    seen = stretched(torch.rand(1, 1, 128, 160), 6.0, 45.0)
    along = (seen[:, :, 1:, 1:] - seen[:, :, :-1, :-1]).abs().mean()
    across = (seen[:, :, 1:, :-1] - seen[:, :, :-1, 1:]).abs().mean()
    assert across > 2.5 * along


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 2)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    stretch = Stretch()
    seen = stretch.apply(torch.rand(2, 3, *size), [stretch.sample(torch.Generator().manual_seed(i)) for i in range(2)])
    assert seen.shape == (2, 3, *size)
    assert 0 <= seen.min() <= seen.max() <= 1
