import pytest
import torch

from pellucid.degrade.glow import Glow, Light

LAMP = {"y": 0.25, "x": 0.25, "radius": 0.1, "flat": 1.0, "fall": 2.0, "colour": (0.8, 0.4, 0.2)}


def lit(image: torch.Tensor, **changes: object) -> torch.Tensor:
    return Glow().apply(image, [(Light(**{**LAMP, **changes}),)] * len(image))


def test_a_light_has_its_colour_in_its_middle_and_falls_off_around_it() -> None:
    seen = lit(torch.zeros(1, 3, 50, 100))[0]
    torch.testing.assert_close(seen[:, 25, 25], torch.tensor([0.8, 0.4, 0.2]), atol=0.02, rtol=0)
    at = seen[0, 25, [25, 35, 45, 95]]
    torch.testing.assert_close(at, torch.tensor([0.8, 0.2, 0.032, 0.0003]), atol=0.01, rtol=0)


def test_a_flat_one_is_a_band() -> None:
    seen = lit(torch.zeros(1, 1, 100, 100), flat=10.0)[0, 0]
    assert seen[25, 65] > 0.5 * seen[25, 25]
    assert seen[55, 25] < 0.1 * seen[25, 25]


def test_light_is_added_and_never_taken() -> None:
    image = torch.rand(8, 3, 40, 40)
    glow = Glow()
    seen = glow.apply(image, [glow.sample(torch.Generator().manual_seed(i)) for i in range(8)])
    assert (seen >= image - 1e-6).all()
    assert seen.max() <= 1
    assert (seen - image).mean() > 0.01


@pytest.mark.parametrize("tint", [-0.6, 0.8])
def test_lights_are_blue_or_red_by_their_tint(tint: float) -> None:
    glow = Glow(tint=(tint, tint), lights=(1, 1), brightness=(0.9, 0.9))
    red, green, blue = glow.sample(torch.Generator().manual_seed(0))[0].colour
    assert (red > green > blue) == (tint > 0)
    assert max(red, green, blue) == pytest.approx(0.9)
