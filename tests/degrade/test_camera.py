from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.camera import CameraNoise, CameraNoiseParams, to_linear, to_srgb
from pellucid.degrade.compression import Jpeg, JpegParams

PLAIN = CameraNoiseParams(
    shot=2e-3,
    read=2e-5,
    white_balance=(2.0, 1.7),
    gain=1.25,
    colour=0.8,
    contrast=1.2,
    mosaic=False,
    phase=(0, 0),
    luma_smoothing=0.0,
    chroma_smoothing=0.0,
    sharpening=0.0,
    jpeg=None,
    seed=3,
)


def noise(level: float = 0.4, channels: int = 3, **changes: object) -> Tensor:
    """The noise (channels, 200, 200) on a flat grey."""
    image = torch.full((1, channels, 200, 200), level)
    return (CameraNoise().apply(image, [replace(PLAIN, **changes)]) - image)[0]


def luma(values: Tensor) -> Tensor:
    return (values * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)


def likeness(one: Tensor, other: Tensor) -> float:
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photo_without_noise_comes_back(channels: int) -> None:
    image = torch.rand(4, channels, 40, 40)
    rng = torch.Generator().manual_seed(0)
    params = [replace(CameraNoise().sample(rng), shot=0.0, read=0.0, jpeg=None) for _ in range(4)]
    torch.testing.assert_close(CameraNoise().apply(image, params), image, atol=1e-6, rtol=0)


def test_transfer_curves_undo_each_other() -> None:
    values = torch.linspace(-0.2, 1.5, 1000)
    torch.testing.assert_close(to_srgb(to_linear(values)), values, atol=1e-5, rtol=0)
    assert to_linear(torch.tensor(0.5)) == pytest.approx(0.2140, abs=1e-4)


def test_shot_noise_grows_with_brightness_in_linear_light() -> None:
    def strength(level: float) -> float:
        clean, green = torch.tensor(level), noise(level, colour=0.0, contrast=1.0, read=0.0)[1]
        return (to_linear(clean + green) - to_linear(clean)).std().item()

    light = [to_linear(torch.tensor(level)).item() for level in (0.3, 0.5, 0.7)]
    expected = [(PLAIN.shot * PLAIN.gain * value) ** 0.5 for value in light]
    assert [strength(level) for level in (0.3, 0.5, 0.7)] == pytest.approx(expected, rel=0.03)


def test_noise_grows_with_shot_and_read() -> None:
    assert noise(shot=4e-3).std() > 1.3 * noise().std() > 1.3**2 * noise(shot=1e-3).std()
    assert noise(read=4e-3).std() > 1.5 * noise().std()


def test_saturated_white_has_no_noise() -> None:
    assert noise(1.0).abs().max() < 1e-5


def test_noise_does_not_shift_a_mid_grey() -> None:
    values = noise()
    assert values.mean().abs() < 0.1 * values.std()


def test_a_mosaic_spreads_noise_over_neighbours_and_channels() -> None:
    apart, together = noise(colour=0.0), noise(colour=0.0, mosaic=True)
    assert abs(likeness(apart[:, :, 1:], apart[:, :, :-1])) < 0.02
    assert likeness(together[:, :, 1:], together[:, :, :-1]) > 0.3
    assert abs(likeness(apart[0], apart[1])) < 0.02
    assert likeness(together[0], together[1]) > 0.2


def test_the_mosaic_keeps_the_noise_of_its_own_sites() -> None:
    apart, together = (noise(colour=0.0, mosaic=mosaic, phase=(1, 0)) for mosaic in (False, True))
    torch.testing.assert_close(together[0, 1::2, 0::2], apart[0, 1::2, 0::2], atol=1e-4, rtol=0)
    torch.testing.assert_close(together[1, 0::2, 0::2], apart[1, 0::2, 0::2], atol=1e-4, rtol=0)
    torch.testing.assert_close(together[2, 0::2, 1::2], apart[2, 0::2, 1::2], atol=1e-4, rtol=0)


def test_the_noise_filter_leaves_less_and_smoother_colour_noise() -> None:
    def chroma(values: Tensor) -> Tensor:
        return values[0] - values[2]

    raw, filtered = chroma(noise()), chroma(noise(chroma_smoothing=2.0))
    assert filtered.std() < 0.4 * raw.std()
    assert likeness(filtered[1:], filtered[:-1]) > 0.8
    assert luma(noise(luma_smoothing=1.0)).std() < 0.4 * luma(noise()).std()
    assert luma(noise(sharpening=0.5)).std() > 1.2 * luma(noise()).std()


def test_grey_noise_is_the_brightness_of_colour_noise() -> None:
    torch.testing.assert_close(noise(channels=1)[0], luma(noise()), atol=1e-5, rtol=0)


def test_the_file_comes_last() -> None:
    image, file = torch.full((1, 3, 40, 40), 0.5), JpegParams(quality=70, subsampling=2)
    before = CameraNoise().apply(image, [PLAIN])
    after = CameraNoise().apply(image, [replace(PLAIN, jpeg=file)])
    torch.testing.assert_close(after, Jpeg().apply(before, [file]))


def test_another_seed_is_other_noise_of_the_same_strength() -> None:
    one, other = noise(seed=1), noise(seed=2)
    assert abs(likeness(one, other)) < 0.02
    assert one.std() == pytest.approx(other.std().item(), rel=0.02)


def test_levels_grow() -> None:
    image, means = torch.full((1, 3, 64, 64), 0.4), []
    for camera in DEGRADATIONS["camera"].levels.values():
        rng = torch.Generator().manual_seed(0)
        noisy = camera.apply(image.expand(20, -1, -1, -1), [camera.sample(rng) for _ in range(20)])
        means.append((noisy - image).std().item())
    assert means[0] * 1.5 < means[1] < means[2] / 1.5


def test_read_noise_follows_shot_noise() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = torch.tensor([(p.shot, p.read) for p in (CameraNoise().sample(rng) for _ in range(2000))]).log()
    assert (drawn[:, 1] - 2.18 * drawn[:, 0] - 1.2).std() == pytest.approx(0.26, abs=0.02)
