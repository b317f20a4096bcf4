"""Restoring files and folders: each file by itself, no file at risk."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import ImageError, PellucidError
from pellucid.imaging import Photo, read_photo, write_photo
from pellucid.inference.plan import Job, Plan, plan_files
from pellucid.inference.restorer import OnTile, Restorer

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of one input.

    Attributes:
        source: the file, or the argument that named none.
        target: where the restored picture is; None if it failed.
        error: why it failed, in one line; None if it did not.
        width, height: of the picture, in pixels.
        seconds: from opening to having written.
    """

    source: str
    target: str | None = None
    error: str | None = None
    width: int = 0
    height: int = 0
    seconds: float = 0.0


def restore_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    restorer: Restorer,
    suffix: str = "restored",
    overwrite: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    on_start: Callable[[Job, int], None] | None = None,
    on_tile: OnTile | None = None,
) -> Iterator[FileResult]:
    """Restore files and folders one by one; a file that fails is reported and the others go on.

    Args:
        inputs, output, suffix: as for ``plan_files``.
        restorer: does the work.
        overwrite: replace outputs that exist; otherwise such a file fails.
        on_plan: called once, with what will be done.
        on_start: called with each job and its number of pixels, once it is read.
        on_tile: called with the number of pixels finished, as they are.

    Yields:
        One result for each input that named no file, then one for each file.

    Raises:
        ConfigError: as ``plan_files``, before any work.
    """
    yield from process_files(
        inputs,
        output,
        lambda photo, job: restorer.restore(photo, on_tile=on_tile),
        suffix=suffix,
        overwrite=overwrite,
        on_plan=on_plan,
        on_start=on_start,
    )


def process_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None,
    work: Callable[[Photo, Job], Photo],
    *,
    suffix: str,
    overwrite: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    on_start: Callable[[Job, int], None] | None = None,
) -> Iterator[FileResult]:
    """Make new pictures of files and folders one by one; a file that fails is reported and the others go on.

    Args:
        inputs, output, suffix: as for ``plan_files``.
        work: makes the new picture of one that was read, knowing where it came from.
        overwrite, on_plan, on_start: as for ``restore_files``; yields and raises as it does.
    """
    plan = plan_files(inputs, output, suffix=suffix)
    if on_plan:
        on_plan(plan)
    for name, error in plan.failures:
        yield FileResult(source=name, error=error)
    for job in plan.jobs:
        yield _process_file(job, work, overwrite, on_start)


def _process_file(
    job: Job,
    work: Callable[[Photo, Job], Photo],
    overwrite: bool,
    on_start: Callable[[Job, int], None] | None,
) -> FileResult:
    started = time.monotonic()
    source, target = str(job.source), str(job.target)
    try:
        _check_destination(job.target, overwrite)
        photo = read_photo(job.source)
        if on_start:
            on_start(job, photo.width * photo.height)
        result = work(photo, job)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write_photo(result, job.target, overwrite=overwrite)
    except PellucidError as error:
        message = str(error)
        named = message.startswith((source, target))
        return FileResult(source=source, error=message if named else f"{source}: {message}")
    except OSError as error:
        return FileResult(source=source, error=f"{error.filename or target}: {error.strerror}")
    except Exception as error:  # a defect, of ours or of a library: one photo must never end a batch
        log.debug("unexpected", exc_info=True)
        return FileResult(source=source, error=f"{source}: {type(error).__name__}: {error}".split("\n")[0])
    return FileResult(
        source=source,
        target=target,
        width=photo.width,
        height=photo.height,
        seconds=time.monotonic() - started,
    )


def _check_destination(target: Path, overwrite: bool) -> None:
    """Refuse, before the picture is restored, a place where it could not be written."""
    if target.exists() and not overwrite:
        raise ImageError(f"{target}: exists already; --overwrite replaces it")
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir():
        raise ImageError(f"{target}: cannot be written, {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"{target}: cannot be written, no permission to write to {folder}")
