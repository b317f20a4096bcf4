"""The noise of a camera, as a finished photograph shows it."""

from pellucid.degrade.camera.raw import CAMERA_NOISE_LEVELS, CameraNoise, CameraNoiseParams, to_linear, to_srgb

__all__ = ["CAMERA_NOISE_LEVELS", "CameraNoise", "CameraNoiseParams", "to_linear", "to_srgb"]
