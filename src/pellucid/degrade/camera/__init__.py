"""The noise of a camera, as a finished photograph shows it."""

from collections.abc import Mapping

from pellucid.degrade.base import Degradation
from pellucid.degrade.camera.coring import CoredNoise
from pellucid.degrade.camera.night import NightNoise
from pellucid.degrade.camera.plain import PlainNoise
from pellucid.degrade.camera.raw import CAMERA_NOISE_LEVELS, CameraNoise, CameraNoiseParams, to_linear, to_srgb

CAMERA_FAMILIES: Mapping[str, Degradation] = {"plain": PlainNoise(), "night": NightNoise(), "coring": CoredNoise()}

__all__ = [
    "CAMERA_FAMILIES",
    "CAMERA_NOISE_LEVELS",
    "CameraNoise",
    "CameraNoiseParams",
    "CoredNoise",
    "NightNoise",
    "PlainNoise",
    "to_linear",
    "to_srgb",
]
