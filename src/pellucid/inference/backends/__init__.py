"""What runs a network's forward pass: PyTorch, or another library on a file that is made of the network."""

from pellucid.inference.backends.choice import BACKENDS, FILES, Forward, open_backend, resolve, resolve_precision
from pellucid.inference.backends.eager import PRECISIONS, autocast, eager

__all__ = [
    "BACKENDS",
    "FILES",
    "PRECISIONS",
    "Forward",
    "autocast",
    "eager",
    "open_backend",
    "resolve",
    "resolve_precision",
]
