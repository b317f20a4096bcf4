"""Raindrops on the glass before the lens, by several unlike renderers."""

from pellucid.degrade.raindrop.beads import Beads
from pellucid.degrade.raindrop.blobs import Blobs
from pellucid.degrade.raindrop.painted import Painted
from pellucid.degrade.raindrop.pane import Pane
from pellucid.degrade.raindrop.refracting import Raindrops, RaindropsParams
from pellucid.degrade.raindrop.runs import Runs

__all__ = ["Beads", "Blobs", "Painted", "Pane", "Raindrops", "RaindropsParams", "Runs"]
