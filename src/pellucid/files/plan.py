"""Which pictures the arguments mean, and where each result goes: decided before any work is done."""

import errno
import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path

from pellucid.errors import ConfigError, ImageError, PellucidError, did_you_mean
from pellucid.imaging import WRITABLE_SUFFIXES, Saving, check_writable_suffix, looks_like_picture, walk
from pellucid.imaging.formats import FORMATS, format_named

log = logging.getLogger(__name__)

UNREADABLE_PICTURES = frozenset({".jxl", ".jp2", ".psd", ".xcf", ".exr", ".hdr"})
LOSSY_SUFFIXES = frozenset(suffix for format in FORMATS if format.lossy for suffix in format.suffixes)
LONGEST_NAME = 255  # bytes, on all the usual file systems

_NOT_A_FILE = (
    (stat.S_ISFIFO, "is a pipe; name '-' and send the picture to standard input"),
    (stat.S_ISSOCK, "is a socket, no picture file"),
    (stat.S_ISCHR, "is a device, no picture file"),
    (stat.S_ISBLK, "is a device, no picture file"),
    (stat.S_ISDIR, "is a folder, and no picture file"),
)


@dataclass(frozen=True)
class Job:
    """One picture to restore: from where, to where.

    Attributes:
        root: the folder that all results go into; None where this one goes beside its input or to a file of its own.
    """

    source: Path
    target: Path
    root: Path | None = None


@dataclass(frozen=True)
class Plan:
    """All the work that the arguments mean, decided before any of it is done."""

    jobs: tuple[Job, ...]
    failures: tuple[tuple[str, str], ...]  # what was named or found, and why it cannot be done


def plan_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    suffix: str = "restored",
    format: str | None = None,
) -> Plan:
    """Decide what to restore, and where to.

    Args:
        inputs: files, folders (searched to any depth, and mirrored; links to folders are not followed) and glob
            patterns.
        output: a file for a single input file, otherwise a folder, as is a name without an ending. None
            writes ``photo_restored.jpg`` or the folder ``photos_restored`` beside each input. Names keep
            their endings, or get ``.png`` where a format cannot be written.
        suffix: the "restored" of these names.
        format: the ending, such as "png", that names get where theirs means another format.

    Raises:
        ConfigError: the output's ending or the format means none that can be written, or they disagree; several
            inputs are to become one file; or the suffix is no part of a name.
    """
    naming = _Naming.of(inputs, output, suffix, format)
    jobs: list[Job] = []
    failures: list[tuple[str, str]] = []
    for name in inputs:
        found = _expand(name, excluding=naming.into if naming.is_folder else None)
        failures += found.failures
        folder = Path(name) if Path(name).is_dir() else None
        jobs += [naming.job(source, folder) for source in found.pictures]
    jobs = list(dict.fromkeys(jobs))  # a file named twice is one
    refused = _refused(jobs)
    failures += [(str(job.source), error) for job, error in refused.items()]
    jobs = [job for job in jobs if job not in refused]
    _warn_of_loss(jobs)
    return Plan(tuple(jobs), tuple(failures))


@dataclass(frozen=True)
class _Naming:
    """What results are called, and where they lie."""

    into: Path | None  # the file or folder that was named
    is_folder: bool
    suffix: str
    ending: str | None

    @classmethod
    def of(
        cls,
        inputs: Sequence[str | os.PathLike[str]],
        output: str | os.PathLike[str] | None,
        suffix: str,
        format: str | None,
    ) -> "_Naming":
        """By the arguments of ``plan_files``, checked."""
        if not suffix or "/" in suffix or os.sep in suffix:
            raise ConfigError(f"suffix must be part of a file name, not '{suffix}'")
        ending = None if format is None else f".{format.lower().removeprefix('.')}"
        if ending is not None and ending not in WRITABLE_SUFFIXES:
            known = sorted(suffix.removeprefix(".") for suffix in WRITABLE_SUFFIXES)
            raise ConfigError(f"there is no format '{format}' to write.{did_you_mean(ending[1:], known)}")
        wanted = None if ending is None else _format_of(Path(f"x{ending}"))
        if output is None:
            return cls(None, False, suffix, ending)
        into = Path(output)
        is_folder = _names_folder(into, output, inputs)
        named = None if is_folder else _format_of(into)
        if named and wanted and named != wanted:
            raise ConfigError(f"{into}: this ending and the format '{format}' disagree; leave one of them out")
        return cls(into, is_folder, suffix, ending)

    def job(self, source: Path, folder: Path | None) -> Job:
        """What is to be done with a picture that was named, or found in a folder that was."""
        if self.into is not None and not self.is_folder:
            return Job(source, self.into)
        ending = self._ending(source)
        if folder is not None:
            root = self.into or folder.resolve().with_name(f"{folder.resolve().name}_{self.suffix}")
            return Job(source, (root / source.relative_to(folder)).with_suffix(ending), root)
        if self.into is not None:
            return Job(source, self.into / f"{source.stem}{ending}", self.into)
        return Job(source, source.with_name(f"{source.stem}_{self.suffix}{ending}"))

    def _ending(self, source: Path) -> str:
        """The source's own, as far as it can be written and is of the format that was asked for."""
        own = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else None
        if self.ending is None:
            return own or ".png"
        return own if own and _is_same_format(source, Path(f"x{self.ending}")) else self.ending


def _format_of(path: Path) -> str:
    """The format that a file name's ending means."""
    try:
        return check_writable_suffix(path)
    except ImageError as error:
        raise ConfigError(str(error)) from None


def _names_folder(into: Path, spelling: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether results go into the output, or become it."""
    if into.is_dir() or not into.suffix or str(spelling).endswith(("/", os.sep)):
        return True
    several = len(inputs) > 1 or any(Path(name).is_dir() or _is_pattern(name) for name in inputs)
    if several and into.suffix.lower() in WRITABLE_SUFFIXES:
        raise ConfigError(f"{into}: several pictures cannot become one file; name a folder")
    return several


def _is_pattern(name: str | os.PathLike[str]) -> bool:
    return has_magic(os.fspath(name)) and not os.path.lexists(name)


@dataclass
class _Found:
    """The picture files that an argument means, and what it means that is none."""

    pictures: list[Path] = field(default_factory=list[Path])
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def take(self, path: Path, name: str | None = None) -> None:
        """Add a file by its path and the name it was given by, or why it cannot be read."""
        reason = _why_unusable(path)
        if reason is None:
            self.pictures.append(path)
        else:
            self.fail(name or str(path), reason)

    def fail(self, name: str, reason: str) -> None:
        """Add a name that means no picture."""
        self.failures.append((name, f"{name}: {reason}"))


def _expand(argument: str | os.PathLike[str], *, excluding: Path | None) -> _Found:
    """What an argument means."""
    name, path, found = os.fspath(argument), Path(argument), _Found()
    if path.is_dir():
        _search(path, excluding, found)
        if not found.pictures and not found.failures:
            found.fail(name, "a folder without pictures")
    elif _is_pattern(name):
        matches = [Path(match) for match in sorted(glob(name, recursive=True))]  # noqa: PTH207, no root
        for match in matches:
            if not match.is_dir():
                found.take(match)
        if not found.pictures and not found.failures:
            found.fail(name, "matches no file")
    else:
        found.take(path, name)
    return found


def _search(folder: Path, excluding: Path | None, found: _Found) -> None:
    """Add the pictures below a folder, sorted; hidden files and folders are passed over."""
    # an output folder inside the input folder holds results, not inputs
    results = None if excluding is None or _is_same(folder, excluding) else os.path.realpath(excluding)
    unreadable = links = 0

    def cannot_list(error: OSError) -> None:
        found.fail(str(error.filename), f"cannot be searched ({error.strerror})")

    candidates: list[Path] = []
    for place, folders, files in walk(folder, on_error=cannot_list):
        links += sum((place / name).is_symlink() for name in folders)
        if results is not None:
            folders[:] = [name for name in folders if os.path.realpath(place / name) != results]
        candidates += [place / name for name in files if looks_like_picture(name)]
        unreadable += sum(Path(name).suffix.lower() in UNREADABLE_PICTURES for name in files)
    for path in sorted(candidates):
        found.take(path)
    if links:
        log.warning("%s: %d links to folders are not followed", folder, links)
    if unreadable:
        log.warning(
            "%s: %d pictures of kinds that cannot be read (JPEG XL, Photoshop ...) are left out", folder, unreadable
        )


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _why_unusable(path: Path) -> str | None:
    """Why a path names nothing that could be a picture file, if so; nothing is opened, for a pipe would wait."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads back to itself"
        if path.is_symlink():
            return "is a link to a file that is not there"
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        return "no such file or folder" if missing else f"cannot be opened ({error.strerror})"
    return next((reason for applies, reason in _NOT_A_FILE if applies(mode)), None)


def _refused(jobs: Sequence[Job]) -> dict[Job, str]:
    """Jobs that must not be done, and why: their result has an impossible place, or that of another file."""
    sources = {os.path.realpath(job.source) for job in jobs}
    taken: dict[str, Path] = {}
    refused: dict[Job, str] = {}
    for job in jobs:
        place, length = os.path.realpath(job.target), len(os.fsencode(job.target.name))
        if length > LONGEST_NAME:
            refused[job] = f"{job.source}: the result's name would have {length} bytes, and {LONGEST_NAME} is the most"
        elif place in sources:
            refused[job] = f"{job.target}: would overwrite an input; choose another output"
        elif place in taken:
            refused[job] = f"{job.source}: would be written to {job.target}, as {taken[place]} is"
        else:
            taken[place] = job.source
    return refused


def _warn_of_loss(jobs: Sequence[Job]) -> None:
    """Say when compressed pictures are to be compressed once more, in another way; in the same way it costs little."""
    lossy = [job for job in jobs if {job.source.suffix.lower(), job.target.suffix.lower()} <= LOSSY_SUFFIXES]
    count = sum(not _is_same_format(job.source, job.target) for job in lossy)
    if count:
        log.warning(
            "%d pictures go from one lossy format to another, which costs detail; `format='png'` keeps it all", count
        )


def check_saving(jobs: Sequence[Job], saving: Saving) -> None:
    """Refuse a compression that none of the results' formats has; say which of these have no quality to choose.

    Raises:
        ConfigError: no format has it; the message proposes others.
    """
    formats = {format.name: format for format in (format_named(job.target) for job in jobs)}
    known = dict.fromkeys(name for format in formats.values() for name in format.compressions)
    if formats and saving.compression is not None and saving.compression not in known:
        has = f"has {', '.join(known)}" if known else "has none to choose"
        raise ConfigError(f"`compression` cannot be '{saving.compression}': {', '.join(formats)} {has}")
    lossless = [format.name for format in formats.values() if not format.lossy]
    if saving.quality is not None and lossless:
        log.warning("`quality` changes nothing in %s, which has none to choose", ", ".join(lossless))


def _is_same_format(one: Path, other: Path) -> bool:
    """Whether two names mean the same format, one that can be written."""
    try:
        return check_writable_suffix(one) == check_writable_suffix(other)
    except PellucidError:
        return False
