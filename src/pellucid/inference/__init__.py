"""From a degraded photograph to a restored one: one pipeline, whatever comes in."""

from pellucid.inference.api import restore
from pellucid.inference.batch import FileOptions
from pellucid.inference.files import restore_files
from pellucid.inference.restorer import Restorer
from pellucid.inference.results import FileResult

__all__ = ["FileOptions", "FileResult", "Restorer", "restore", "restore_files"]
