"""pellucid gives back the photograph behind rain, drops, haze, noise and blur.

The public names, imported on first use so that ``import pellucid`` is quick and does nothing else.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
