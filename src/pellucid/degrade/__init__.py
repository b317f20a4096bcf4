"""What happens to photographs: ``sample`` draws one image's parameters, ``apply`` uses them on a batch."""

from pellucid.degrade.base import Degradation
from pellucid.degrade.compose import Compose, compose, create_degradation
from pellucid.degrade.photo import degrade_photo
from pellucid.degrade.registry import DEGRADATIONS, Kind

__all__ = ["DEGRADATIONS", "Compose", "Degradation", "Kind", "compose", "create_degradation", "degrade_photo"]
