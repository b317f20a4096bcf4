"""What happens to photographs: ``sample`` draws one image's parameters, ``apply`` uses them on a batch."""

from pellucid.degrade.base import Degradation
from pellucid.degrade.blur import DefocusBlur, MotionBlur
from pellucid.degrade.camera import CameraNoise
from pellucid.degrade.compose import Compose, compose, create_degradation
from pellucid.degrade.compression import Jpeg, WebP
from pellucid.degrade.haze import Haze
from pellucid.degrade.noise import GaussianNoise, GaussianNoiseParams
from pellucid.degrade.photo import degrade_photo
from pellucid.degrade.rain import RainStreaks
from pellucid.degrade.raindrop import Raindrops
from pellucid.degrade.registry import DEGRADATIONS, Kind

__all__ = [
    "DEGRADATIONS",
    "CameraNoise",
    "Compose",
    "DefocusBlur",
    "Degradation",
    "GaussianNoise",
    "GaussianNoiseParams",
    "Haze",
    "Jpeg",
    "Kind",
    "MotionBlur",
    "RainStreaks",
    "Raindrops",
    "WebP",
    "compose",
    "create_degradation",
    "degrade_photo",
]
