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
        "options": ["FileOptions"],
        "plan": ["Job", "Plan"],
        "restore": ["process_files", "restore_files"],
        "results": ["FileResult", "PictureFacts"],
    },
)
