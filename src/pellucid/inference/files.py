"""Restoring files and folders: each file by itself, no file at risk."""

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pellucid.errors import ImageError, PellucidError
from pellucid.imaging import Photo, read_photo, write_photo
from pellucid.inference.guard import Watch
from pellucid.inference.plan import Job, Plan, plan_files
from pellucid.inference.restorer import OnTile, Restorer
from pellucid.memory import peak_bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """What was read from a file.

    Attributes:
        format: Pillow's name of it.
        width, height: in pixels, upright.
        channels: 1 for grey, 3 for colour.
        depth: of a channel: "uint8", "uint16" or "float32".
        alpha: whether parts may be transparent.
        carried: what else was found, and goes into the result: of "exif", "icc", "xmp" and "dpi".
    """

    format: str | None
    width: int
    height: int
    channels: int
    depth: str
    alpha: bool
    carried: tuple[str, ...]

    @classmethod
    def of(cls, photo: Photo) -> "PictureFacts":
        """Of a photo that was read."""
        return cls(
            format=photo.format,
            width=photo.width,
            height=photo.height,
            channels=photo.channels,
            depth=photo.pixels.dtype.name,
            alpha=photo.alpha is not None,
            carried=tuple(name for name in ("exif", "icc", "xmp", "dpi") if getattr(photo, name) is not None),
        )


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of one input.

    Attributes:
        source: the file, or the argument that named none.
        target: where the restored picture is; None if it failed.
        error: why it failed, in one line; None if it did not.
        read: what the file held; None if it could not be read.
        watch: what happened to its tiles; None if it did not come to that.
        warnings: what was logged about it.
        seconds: from opening to having written.
        peak_bytes: the most memory the process has held so far.
    """

    source: str
    target: str | None = None
    error: str | None = None
    read: PictureFacts | None = None
    watch: Watch | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_bytes: int = 0


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
    watches: dict[str, Watch] = {}

    def work(photo: Photo, job: Job) -> Photo:
        watch = watches[str(job.source)] = Watch()
        return restorer.restore(photo, on_tile=on_tile, watch=watch)

    for result in process_files(
        inputs, output, work, suffix=suffix, overwrite=overwrite, on_plan=on_plan, on_start=on_start
    ):
        yield replace(result, watch=watches.pop(result.source, None))


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
    with _noted_warnings() as warnings:
        read, error = _process(job, work, overwrite, on_start)
    return FileResult(
        source=str(job.source),
        target=None if error else str(job.target),
        error=error,
        read=read,
        warnings=tuple(warnings),
        seconds=time.monotonic() - started,
        peak_bytes=peak_bytes(),
    )


def _process(
    job: Job,
    work: Callable[[Photo, Job], Photo],
    overwrite: bool,
    on_start: Callable[[Job, int], None] | None,
) -> tuple[PictureFacts | None, str | None]:
    """What was read, and why it could not be done, if it could not."""
    source, target, read = str(job.source), str(job.target), None
    try:
        _check_destination(job.target, overwrite)
        photo = read_photo(job.source)
        read = PictureFacts.of(photo)
        if on_start:
            on_start(job, photo.width * photo.height)
        result = work(photo, job)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write_photo(result, job.target, overwrite=overwrite)
    except PellucidError as error:
        message = str(error)
        named = message.startswith((source, target))
        return read, message if named else f"{source}: {message}"
    except OSError as error:
        return read, f"{error.filename or target}: {error.strerror}"
    except Exception as error:  # a defect, of ours or of a library: one photo must never end a batch
        log.debug("unexpected", exc_info=True)
        return read, f"{source}: {type(error).__name__}: {error}".split("\n")[0]
    return read, None


class _Notes(logging.Handler):
    """Collects what is said, beside whoever else listens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _noted_warnings() -> Generator[list[str]]:
    """The warnings that pellucid logs in the meantime."""
    notes, root = _Notes(), logging.getLogger("pellucid")
    root.addHandler(notes)
    try:
        yield notes.lines
    finally:
        root.removeHandler(notes)


def _check_destination(target: Path, overwrite: bool) -> None:
    """Refuse, before the picture is restored, a place where it could not be written."""
    if target.exists() and not overwrite:
        raise ImageError(f"{target}: exists already; --overwrite replaces it")
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir():
        raise ImageError(f"{target}: cannot be written, {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"{target}: cannot be written, no permission to write to {folder}")
