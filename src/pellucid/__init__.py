"""pellucid gives back the photograph behind rain, drops, haze, noise and blur.

The public names, imported on first use so that ``import pellucid`` is quick and does nothing else.
"""

from typing import TYPE_CHECKING

from pellucid.lazy import lazy

if TYPE_CHECKING:
    from pellucid import metrics
    from pellucid.checkpoints import load_network, save_network
    from pellucid.errors import PellucidError
    from pellucid.files import FileOptions, restore_files
    from pellucid.imaging import Photo, Saving, read_photo, write_photo
    from pellucid.inference import RestoreOptions, Restorer, restore
    from pellucid.inference.export import export_model
    from pellucid.models import create_network
    from pellucid.zoo import list_models

__version__ = "0.1.0"

__all__ = [
    "FileOptions",
    "PellucidError",
    "Photo",
    "RestoreOptions",
    "Restorer",
    "Saving",
    "create_network",
    "export_model",
    "list_models",
    "load_network",
    "metrics",
    "read_photo",
    "restore",
    "restore_files",
    "save_network",
    "write_photo",
]

__getattr__ = lazy(
    __name__,
    {
        "checkpoints": ["load_network", "save_network"],
        "errors": ["PellucidError"],
        "files": ["FileOptions", "restore_files"],
        "imaging": ["Photo", "Saving", "read_photo", "write_photo"],
        "inference": ["RestoreOptions", "Restorer", "restore"],
        "inference.export": ["export_model"],
        "metrics": [],
        "models": ["create_network"],
        "zoo": ["list_models"],
    },
)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
