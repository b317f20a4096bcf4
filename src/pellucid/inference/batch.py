"""One file after the other: read, worked on, written; each by itself, and none at risk."""

import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from pellucid.errors import ConfigError, ImageError, PellucidError, did_you_mean
from pellucid.imaging import (
    MAX_PIXELS,
    Photo,
    check_holds_frames,
    open_frames,
    read_photo,
    read_size,
    write_frames,
    write_photo,
)
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.strips import Strips, open_strips
from pellucid.inference.deadline import time_limit
from pellucid.inference.journal import Entry, Journal
from pellucid.inference.plan import Job
from pellucid.inference.results import FileResult, PictureFacts
from pellucid.memory import peak_bytes
from pellucid.subject import SUBJECT

log = logging.getLogger(__name__)

Existing = Literal["refuse", "overwrite", "skip", "resume"]
OnStart = Callable[[Job, PictureFacts], None]
Work = Callable[[Photo, Job, Callable[[], None]], Photo]
"""Makes the new picture of one that was read, knowing where it came from. The function that it is given ends it when
its time is up, and wants to be called now and then."""
WorkByRows = Callable[[Strips, Job, Callable[[], None]], None]
"""Makes and writes the new picture of one that is too large for memory."""

ROWS_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")  # of what can be written by rows


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are named, read and written.

    Attributes:
        suffix: added to names where no output is named.
        format: of results, such as "png"; None is as the input.
        existing: what to do about a result that is there: "refuse" to touch it, which fails the file; "overwrite";
            "skip" the file; or "resume", which skips it if the result is whole and fits, and makes it again if not.
        max_pixels: larger pictures are refused before they are decoded.
        timeout: seconds for each file; 0 is no limit.

    Raises:
        ConfigError: there is no such way, or a limit that nothing could keep.
    """

    suffix: str = "restored"
    format: str | None = None
    existing: Existing = "refuse"
    max_pixels: int = MAX_PIXELS
    timeout: float = 0.0

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ConfigError(f"existing cannot be '{self.existing}'.{did_you_mean(self.existing, get_args(Existing))}")
        if self.max_pixels < 1:
            raise ConfigError(f"--max-megapixels must allow for a pixel, not {self.max_pixels}")
        if not 0 <= self.timeout < float("inf"):
            raise ConfigError(f"--timeout takes seconds, or 0 for no limit, not {self.timeout}")


@dataclass
class Batch:
    """What the files of one run share.

    Attributes:
        work: makes a new picture.
        by_rows: makes one that is too large for memory, if anything does.
        options: how files are read and written.
        on_start: is told of each picture that was read.
        journals: by output folder.
        seen: output folders that are there.
    """

    work: Work
    by_rows: WorkByRows | None
    options: FileOptions
    on_start: OnStart | None
    journals: dict[Path, Journal]
    seen: set[Path]

    def process(self, job: Job) -> FileResult:
        """Do a job, whatever happens."""
        started, attempt, failure = time.monotonic(), _Attempt(job), None
        with _noted_warnings() as warnings, _about(job):
            try:
                with time_limit(self.options.timeout) as attempt.check_time:
                    self._carry_out(attempt)
            except Exception as error:  # one photo must never end a batch
                failure = _in_one_line(error, job)
        return FileResult(
            source=str(job.source),
            target=None if failure else str(job.target),
            error=failure,
            skipped=attempt.skipped,
            read=attempt.read,
            warnings=tuple(warnings),
            seconds=time.monotonic() - started,
            peak_bytes=peak_bytes(),
        )

    def _carry_out(self, attempt: "_Attempt") -> None:
        """Make the result, or find that it is there."""
        job = attempt.job
        self._check_destination(job)
        journal = None if job.root is None else self.journals.get(job.root)
        entry = journal.entry(job) if journal else None
        attempt.skipped = self._is_done(job, entry)
        if not attempt.skipped:
            self._make(attempt)
            if entry:
                entry.add()

    def _make(self, attempt: "_Attempt") -> None:
        """Read, work, write: frame by frame, by rows, or the whole at once."""
        job, check_time = attempt.job, attempt.check_time
        overwrite = self.options.existing != "refuse"
        frames = open_frames(job.source, max_pixels=self.options.max_pixels)
        if frames is not None:
            check_holds_frames(job.target, frames)
            photos = frames.photos()
            first = next(photos)
            self._begin(attempt, first, frames.count)
            results = (self.work(photo, job, check_time) for photo in chain((first,), photos))
            write_frames(results, frames, job.target, overwrite=overwrite)
        elif self.by_rows and (strips := self._strips(job)):
            self._begin(attempt, strips.photo)
            self.by_rows(strips, job, check_time)
        else:
            photo = read_photo(job.source, max_pixels=self.options.max_pixels)
            self._begin(attempt, photo)
            write_photo(self.work(photo, job, check_time), job.target, overwrite=overwrite)

    def _strips(self, job: Job) -> Strips | None:
        """A picture that is to be read by rows, if it is."""
        strips = open_strips(job.source) if job.target.suffix.lower() in ROWS_SUFFIXES else None
        if strips:
            refuse_huge(strips.photo.width, strips.photo.height, self.options.max_pixels)
        return strips

    def _begin(self, attempt: "_Attempt", photo: Photo, frames: int = 1) -> None:
        """Tell what was read, and make room for the result."""
        attempt.read = PictureFacts.of(photo, frames)
        log.info("%s", attempt.read)
        if self.on_start:
            self.on_start(attempt.job, attempt.read)
        self._check_root(attempt.job)
        attempt.job.target.parent.mkdir(parents=True, exist_ok=True)
        if attempt.job.root is not None:
            self.seen.add(attempt.job.root)

    def _is_done(self, job: Job, entry: Entry | None) -> bool:
        """Whether a result is there that is to stay."""
        if self.options.existing == "skip":
            return os.path.lexists(job.target)
        if self.options.existing != "resume" or not job.target.is_file():
            return False
        noted = entry.is_noted() if entry else None
        return _fits(job, self.options.max_pixels) if noted is None else noted

    def _check_destination(self, job: Job) -> None:
        """Refuse, before the picture is restored, a place where it could not be written."""
        self._check_root(job)
        target = job.target
        if self.options.existing == "refuse" and os.path.lexists(target):  # a dangling link is somebody's too
            raise ImageError(
                f"{target}: exists already; --overwrite replaces it, --skip-existing and --resume leave it"
            )
        if target.is_dir():
            raise ImageError(f"{target}: is a folder; choose another output")
        folder = next(parent for parent in target.parents if parent.exists())
        if not folder.is_dir():
            raise ImageError(f"{target}: cannot be written, {folder} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ImageError(f"{target}: cannot be written, no permission to write to {folder}")

    def _check_root(self, job: Job) -> None:
        """Refuse to make an output folder anew that was there: its disk is gone, and another one would fill up."""
        if job.root in self.seen and not job.root.is_dir():
            raise ImageError(f"{job.target}: cannot be written, the folder {job.root} is gone")


@dataclass
class _Attempt:
    """How far a job came."""

    job: Job
    check_time: Callable[[], None] = lambda: None
    read: PictureFacts | None = None
    skipped: bool = False


def _fits(job: Job, max_pixels: int) -> bool:
    """Whether a result of which nothing is noted is whole, and of its input's size and number of pictures."""
    try:
        frames = open_frames(job.target, max_pixels=max_pixels)
        photos = frames.photos() if frames else iter((read_photo(job.target, max_pixels=max_pixels),))
        sizes = [(photo.height, photo.width) for photo in photos]
    except ImageError:
        return False
    expected = open_frames(job.source, max_pixels=max_pixels)
    size = read_size(job.source, max_pixels=max_pixels)
    if size is None:
        photo = read_photo(job.source, max_pixels=max_pixels)
        size = photo.height, photo.width
    return len(sizes) == (expected.count if expected else 1) and sizes[0] == size


def _in_one_line(error: Exception, job: Job) -> str:
    """What went wrong, with the name of the file that it went wrong with."""
    source, target = str(job.source), str(job.target)
    if isinstance(error, PellucidError):
        message = str(error)
        return message if message.startswith((source, target)) else f"{source}: {message}"
    if isinstance(error, OSError):
        return f"{error.filename or target}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return f"{source}: needs more memory than there is; close other programs, or try a smaller --tile"
    log.debug("unexpected", exc_info=error)  # a defect, of ours or of a library
    return f"{source}: {type(error).__name__}: {error}".split("\n")[0]


@contextmanager
def _about(job: Job) -> Generator[None]:
    """What is said in the meantime is about this file."""
    token = SUBJECT.set(str(job.source))
    try:
        yield
    finally:
        SUBJECT.reset(token)


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
