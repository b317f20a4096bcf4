import pytest
import torch

from pellucid.degrade.grass import Grass

LAWN = {"cover": (4.0, 4.0), "contrast": (0.5, 0.5)}


def grown(image: torch.Tensor, **options: object) -> torch.Tensor:
    grass = Grass(**options)
    return grass.apply(image, [grass.sample(torch.Generator().manual_seed(i)) for i in range(len(image))])


def test_it_is_long_in_its_direction() -> None:
    upright = grown(torch.full((1, 3, 128, 128), 0.5), angle=(0.0, 0.0), spread=(0.0, 0.0), length=(12, 12), **LAWN)
    down, right = (upright.diff(dim=dim).abs().mean() for dim in (2, 3))
    assert right > 5 * down
    leaning = grown(torch.full((1, 3, 128, 128), 0.5), angle=(45.0, 45.0), spread=(0.0, 0.0), length=(12, 12), **LAWN)
    along = (leaning[:, :, 1:, 1:] - leaning[:, :, :-1, :-1]).abs().mean()
    across = (leaning[:, :, 1:, :-1] - leaning[:, :, :-1, 1:]).abs().mean()
    assert across > 3 * along


def test_it_darkens_what_rain_would_brighten() -> None:
    image = torch.full((4, 1, 96, 96), 0.5)
    change = grown(image, **LAWN) - image
    assert change.mean() < -0.1
    assert (change < 0).float().mean() > 0.7


def test_it_is_green_to_brown_and_leaves_the_rest_of_the_picture_alone() -> None:
    red, green, blue = grown(torch.full((8, 3, 64, 64), 0.5), **LAWN).mean((0, 2, 3))
    assert green > red > blue
    image = torch.rand(8, 3, 64, 64)
    bare = grown(image, cover=(-0.5, -0.5))
    share = ((bare - image).abs().amax(1) < 0.02).float().mean().item()
    assert 0.3 < share < 0.95


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 2)])
def test_it_grows_on_pictures_of_any_size(size: tuple[int, int]) -> None:
    result = grown(torch.full((1, 3, *size), 0.5))
    assert result.isfinite().all()
    assert 0 <= result.min() <= result.max() <= 1


def test_layers_have_colours_of_their_own() -> None:
    image = torch.full((1, 3, 96, 96), 0.5)

    def hues(pale: float) -> float:
        seen = grown(image, pale=(pale, pale), layers=(6, 6), **LAWN)[0]
        return (seen[2] / seen[1]).std().item()

    assert hues(1.0) > 2 * hues(0.0)
