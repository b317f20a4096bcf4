"""The networks: one folder a family, each a config, a network, and the authors' names for its weights."""

from pellucid.models.registry import create_network, variants

__all__ = ["create_network", "variants"]
