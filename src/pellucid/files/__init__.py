"""Picture files in, picture files out: what the arguments mean, and one road from each source to its result."""

from typing import TYPE_CHECKING

from pellucid.lazy import lazy

if TYPE_CHECKING:
    from pellucid.files.options import FileOptions
    from pellucid.files.plan import Job, Plan
    from pellucid.files.restore import process_files, restore_files
    from pellucid.files.results import FileResult, PictureFacts

__all__ = ["FileOptions", "FileResult", "Job", "PictureFacts", "Plan", "process_files", "restore_files"]

__getattr__ = lazy(
    __name__,
    {
        "FileOptions": "pellucid.files.options",
        "FileResult": "pellucid.files.results",
        "Job": "pellucid.files.plan",
        "PictureFacts": "pellucid.files.results",
        "Plan": "pellucid.files.plan",
        "process_files": "pellucid.files.restore",
        "restore_files": "pellucid.files.restore",
    },
)
