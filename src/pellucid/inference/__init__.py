"""From a degraded photograph to a restored one: one pipeline, whatever comes in."""

from pellucid.inference.api import restore
from pellucid.inference.restorer import Restorer

__all__ = ["Restorer", "restore"]
