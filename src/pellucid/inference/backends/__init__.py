"""What runs a network's forward pass: PyTorch, or another library on a file that is made of the network."""

from pellucid.inference.backends.choice import FILES, Forward, open_backend, resolve_precision
from pellucid.inference.backends.eager import autocast, eager

__all__ = ["FILES", "Forward", "autocast", "eager", "open_backend", "resolve_precision"]
