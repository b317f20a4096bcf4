"""Rain in the air, by several renderers that are unlike."""

from pellucid.degrade.rain.grains import RainGrains
from pellucid.degrade.rain.lines import RainLines
from pellucid.degrade.rain.perspective import RainPerspective
from pellucid.degrade.rain.streaks import RainStreaks
from pellucid.degrade.rain.water import RainWater

__all__ = ["RainGrains", "RainLines", "RainPerspective", "RainStreaks", "RainWater"]
