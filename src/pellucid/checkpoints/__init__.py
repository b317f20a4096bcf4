"""Weights files: read safely, recognised by their shapes, loaded strictly, saved with what they are."""

from pellucid.checkpoints.load import Checkpoint, build_network, load_network, open_checkpoint
from pellucid.checkpoints.read import file_digest
from pellucid.checkpoints.save import save_network

__all__ = ["Checkpoint", "build_network", "file_digest", "load_network", "open_checkpoint", "save_network"]
