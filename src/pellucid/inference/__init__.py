"""From a degraded photograph to a restored one: one pipeline, whatever comes in."""

from typing import TYPE_CHECKING

from pellucid.lazy import lazy

if TYPE_CHECKING:
    from pellucid.inference.api import restore
    from pellucid.inference.options import RestoreOptions
    from pellucid.inference.restorer import Restorer

__all__ = ["RestoreOptions", "Restorer", "restore"]

__getattr__ = lazy(__name__, {"api": ["restore"], "options": ["RestoreOptions"], "restorer": ["Restorer"]})
