"""Haze, fog and smoke: light lost on its way to the camera, and airlight scattered into it."""

from pellucid.degrade.haze.corridor import Corridor
from pellucid.degrade.haze.depth import DepthHaze
from pellucid.degrade.haze.invented import Haze, HazeParams
from pellucid.degrade.haze.planes import Planes
from pellucid.degrade.haze.plumes import Plumes
from pellucid.degrade.haze.veil import Veil

__all__ = [
    "Corridor",
    "DepthHaze",
    "Haze",
    "HazeParams",
    "Planes",
    "Plumes",
    "Veil",
]
