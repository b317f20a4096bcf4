"""Haze, fog and smoke: light lost on its way to the camera, and airlight scattered into it."""

from collections.abc import Mapping

from pellucid.degrade.base import Degradation
from pellucid.degrade.haze.corridor import Corridor
from pellucid.degrade.haze.depth import DepthHaze
from pellucid.degrade.haze.invented import HAZE_LEVELS, Haze, HazeParams
from pellucid.degrade.haze.planes import Planes
from pellucid.degrade.haze.plumes import Plumes
from pellucid.degrade.haze.veil import Veil

HAZE_FAMILIES: Mapping[str, Degradation] = {
    "depth": DepthHaze(),
    "plumes": Plumes(),
    "veil": Veil(),
    "planes": Planes(),
    "corridor": Corridor(),
}

__all__ = [
    "HAZE_FAMILIES",
    "HAZE_LEVELS",
    "Corridor",
    "DepthHaze",
    "Haze",
    "HazeParams",
    "Planes",
    "Plumes",
    "Veil",
]
