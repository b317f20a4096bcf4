"""One file after the other: read, worked on, written; each by itself, and none at risk."""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from pellucid.errors import ImageError, PellucidError
from pellucid.files.deadline import CheckTime, time_limit
from pellucid.files.journal import Entry, Journal
from pellucid.files.options import FileOptions
from pellucid.files.plan import Job
from pellucid.files.results import FileResult, PictureFacts
from pellucid.imaging import Frame, Photo, Picture, Saving, check_holds, copy_picture, open_picture, write_picture
from pellucid.imaging.formats import format_named
from pellucid.inference.guard import TileWatch
from pellucid.memory import peak_bytes
from pellucid.subject import SUBJECT

log = logging.getLogger(__name__)

OnStart = Callable[[Job, PictureFacts], None]
Work = Callable[[Picture, Job, CheckTime], tuple[Picture, list[TileWatch]]]
"""Makes the new picture of one that was read, knowing where it came from, and tells what was watched: a watch for each
frame, by the time it is there. Frames and their rows may be made later, as they are written. The function that it is
given ends it when its time is up, and wants to be called now and then."""


@dataclass
class Run:
    """What the files of one run share.

    Attributes:
        work: makes the new picture.
        options: how files are read and written.
        on_start: is told of each picture that was read.
        journals: by output folder.
        seen: output folders that are there.
    """

    work: Work
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
        watches = tuple(attempt.watches)
        has_frames = attempt.read is not None and attempt.read.frames > 1
        return FileResult(
            source=str(job.source),
            target=None if failure else str(job.target),
            error=failure,
            skipped=attempt.skipped,
            read=attempt.read,
            watch=watches[0] if watches and not has_frames else None,
            frames=watches if has_frames else (),
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
        if attempt.skipped:
            return
        try:
            self._make(attempt)
        except ImageError:
            # another run has made it in the meantime
            attempt.skipped = self.options.existing == "skip" and os.path.lexists(job.target)
            if not attempt.skipped:
                raise
        else:
            if entry:
                entry.add()

    def _make(self, attempt: "_Attempt") -> None:
        """Read, work, write; where nothing was changed, the file as it is."""
        target, options = attempt.job.target, self.options
        source = open_read(attempt.job.source, options)
        check_holds(source, target, options.saving)
        read = source.mapped(partial(self._read, attempt, source.count))
        picture, attempt.watches = self.work(read, attempt.job, attempt.check_time)
        overwrite = options.existing in ("overwrite", "resume")
        same_format = picture.format == format_named(target).name
        may_copy = picture.path is not None and same_format and options.saving == Saving()
        frames = picture.frames()
        first = next(frames)
        # of one picture and of an animation it shows before the work that nothing is to be done, of pages behind it
        if not (may_copy and attempt.is_untouched(picture)):
            write_picture(
                replace(picture, decode=lambda: chain((first,), frames)), target, options.saving, overwrite=overwrite
            )
            overwrite = True
        if may_copy and attempt.is_untouched(picture):
            copy_picture(picture, target, overwrite=overwrite)

    def _read(self, attempt: "_Attempt", count: int, frame: Frame) -> Frame:
        """One frame of so many as it is to be worked on; small ones in memory, as they are looked at before that."""
        frame = frame if frame.is_large else Photo.of(frame)
        if attempt.read is None:
            attempt.read = PictureFacts.of(frame, count)
            self._begin(attempt, attempt.read)
        return frame

    def _begin(self, attempt: "_Attempt", read: PictureFacts) -> None:
        """Tell what was read, and make room for the result."""
        log.info("%s", read)
        if self.on_start:
            self.on_start(attempt.job, read)
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
        return self._fits(job) if noted is None else noted

    def _fits(self, job: Job) -> bool:
        """Whether a result of which nothing is noted is whole, and of its input's size and number of pictures."""
        try:
            made = open_read(job.target, self.options)
            sizes = [_decoded_size(frame) for frame in made.frames()]
        except ImageError:
            return False
        expected = open_read(job.source, self.options)
        first = expected.first()
        return len(sizes) == expected.count and sizes[0] == (first.height, first.width)

    def _check_destination(self, job: Job) -> None:
        """Refuse, before the picture is restored, a place where it could not be written."""
        self._check_root(job)
        target = job.target
        if self.options.existing == "refuse" and os.path.lexists(target):  # a dangling link is somebody's too
            raise ImageError(
                f"{target}: exists already; `existing='overwrite'` replaces it,"
                " `existing='skip'` and `existing='resume'` leave it"
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
    check_time: CheckTime = lambda: None
    read: PictureFacts | None = None
    skipped: bool = False
    watches: list[TileWatch] = field(default_factory=list[TileWatch])

    def is_untouched(self, picture: Picture) -> bool:
        """Whether it is known of every frame that nothing is changed in it."""
        return len(self.watches) == picture.count and all(watch.share == 0 for watch in self.watches)


def open_read(path: Path, options: FileOptions) -> Picture:
    """Look into a picture file as the options say; raises as ``open_picture``."""
    picture = open_picture(path, max_pixels=options.max_pixels, white=options.white, no_data=options.no_data)
    return picture if options.keep_date else replace(picture, modified=None)


def _decoded_size(frame: Frame) -> tuple[int, int]:
    """Height and width of a frame that is whole: damage shows where it lies."""
    deque(frame.strips(), maxlen=0)
    return frame.height, frame.width


def _in_one_line(error: Exception, job: Job) -> str:
    """What went wrong, with the name of the file that it went wrong with."""
    source, target = str(job.source), str(job.target)
    if isinstance(error, PellucidError):
        message = str(error)
        return message if message.startswith((source, target)) else f"{source}: {message}"
    if isinstance(error, OSError):
        return f"{error.filename or target}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return f"{source}: needs more memory than there is; close other programs, or try a smaller `tile`"
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
