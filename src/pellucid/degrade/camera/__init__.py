"""The noise of a camera, as a finished photograph shows it."""

from pellucid.degrade.camera.coring import CoredNoise
from pellucid.degrade.camera.night import NightNoise
from pellucid.degrade.camera.plain import PlainNoise
from pellucid.degrade.camera.raw import CameraNoise, CameraNoiseParams, to_linear, to_srgb

__all__ = [
    "CameraNoise",
    "CameraNoiseParams",
    "CoredNoise",
    "NightNoise",
    "PlainNoise",
    "to_linear",
    "to_srgb",
]
