"""Restoring files and folders: what goes where, each file by itself, no file at risk."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from pellucid.errors import ConfigError, ImageError, PellucidError
from pellucid.imaging import (
    WRITABLE_SUFFIXES,
    check_writable_suffix,
    find_pictures,
    read_photo,
    write_photo,
)
from pellucid.inference.restorer import OnTile, Restorer

log = logging.getLogger(__name__)

UNREADABLE_PICTURES = frozenset(
    {".heic", ".heif", ".jxl", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".psd"}
)


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


@dataclass(frozen=True)
class Job:
    """One picture to restore: from where, to where."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """All the work that the arguments mean, decided before any of it is done."""

    jobs: tuple[Job, ...]
    failures: tuple[FileResult, ...]


def plan_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    suffix: str = "restored",
) -> Plan:
    """Decide what to restore, and where to.

    Args:
        inputs: files, folders (searched to any depth, and mirrored) and glob patterns.
        output: a file for a single input file, otherwise a folder, as is a name without an ending. None
            writes ``photo_restored.jpg`` or the folder ``photos_restored`` beside each input. Names keep
            their endings, or get ``.png`` where a format cannot be written.
        suffix: the "restored" of these names.

    Raises:
        ConfigError: the output's ending names no format that can be written, several inputs are to become
            one file, or the suffix is no part of a name.
    """
    into = None if output is None else Path(output)
    if not suffix or "/" in suffix or os.sep in suffix:
        raise ConfigError(f"suffix must be part of a file name, not '{suffix}'")
    is_folder = into is not None and _names_folder(into, output, inputs)
    if into is not None and not is_folder:
        _check_ending(into)

    jobs: list[Job] = []
    failures: list[FileResult] = []
    for name in inputs:
        found = _expand(name, excluding=into if is_folder else None)
        if isinstance(found, str):
            failures.append(FileResult(source=os.fspath(name), error=found))
            continue
        root = Path(name) if Path(name).is_dir() else None
        for source in found:
            jobs.append(Job(source, _target(source, root, into, is_folder=is_folder, suffix=suffix)))
    clashes = _clashes(jobs := list(dict.fromkeys(jobs)))  # a file named twice is one
    failures += [FileResult(source=str(job.source), error=error) for job, error in clashes.items()]
    return Plan(tuple(job for job in jobs if job not in clashes), tuple(failures))


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
    plan = plan_files(inputs, output, suffix=suffix)
    if on_plan:
        on_plan(plan)
    yield from plan.failures
    for job in plan.jobs:
        yield _restore_file(job, restorer, overwrite, on_start, on_tile)


def _restore_file(
    job: Job,
    restorer: Restorer,
    overwrite: bool,
    on_start: Callable[[Job, int], None] | None,
    on_tile: OnTile | None,
) -> FileResult:
    started = time.monotonic()
    source, target = str(job.source), str(job.target)
    try:
        _check_destination(job.target, overwrite)
        photo = read_photo(job.source)
        if on_start:
            on_start(job, photo.width * photo.height)
        restored = restorer.restore(photo, on_tile=on_tile)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write_photo(restored, job.target, overwrite=overwrite)
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


def _check_ending(output: Path) -> None:
    try:
        check_writable_suffix(output)
    except ImageError as error:
        raise ConfigError(str(error)) from None


def _check_destination(target: Path, overwrite: bool) -> None:
    """Refuse, before the picture is restored, a place where it could not be written."""
    if target.exists() and not overwrite:
        raise ImageError(f"{target}: exists already; --overwrite replaces it")
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir():
        raise ImageError(f"{target}: cannot be written, {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"{target}: cannot be written, no permission to write to {folder}")


def _names_folder(
    output: Path, spelling: str | os.PathLike[str] | None, inputs: Sequence[str | os.PathLike[str]]
) -> bool:
    """Whether results go into ``output``, or become it."""
    if output.is_dir() or not output.suffix or str(spelling).endswith(("/", os.sep)):
        return True
    several = len(inputs) > 1 or any(Path(name).is_dir() or _is_pattern(name) for name in inputs)
    if several and output.suffix.lower() in WRITABLE_SUFFIXES:
        raise ConfigError(f"{output}: several pictures cannot become one file; name a folder")
    return several


def _is_pattern(name: str | os.PathLike[str]) -> bool:
    return has_magic(os.fspath(name)) and not Path(name).exists()


def _expand(name: str | os.PathLike[str], *, excluding: Path | None) -> list[Path] | str:
    """The picture files that an argument means, or why it means none."""
    path = Path(name)
    if path.is_dir():
        found = find_pictures(path)
        if excluding is not None and path.resolve() in excluding.resolve().parents:
            # an output folder inside the input folder holds results, not inputs
            found = [p for p in found if excluding.resolve() not in p.resolve().parents]
        skipped = sum(p.suffix.lower() in UNREADABLE_PICTURES for p in path.rglob("*"))
        if skipped:
            log.warning("%s: %d pictures of kinds that cannot be read yet (HEIC, raw ...) are left out", name, skipped)
        return found or f"{name}: a folder without pictures"
    if _is_pattern(name):
        matches = [Path(match) for match in sorted(glob(os.fspath(name), recursive=True))]  # noqa: PTH207, no root
        return [match for match in matches if match.is_file()] or f"{name}: matches no file"
    if not path.exists():
        return f"{name}: no such file or folder"
    return [path]


def _target(source: Path, root: Path | None, into: Path | None, *, is_folder: bool, suffix: str) -> Path:
    ending = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".png"
    if into is not None and not is_folder:
        return into
    if root is not None:
        folder = into or root.resolve().with_name(f"{root.resolve().name}_{suffix}")
        return (folder / source.relative_to(root)).with_suffix(ending)
    if into is not None:
        return into / f"{source.stem}{ending}"
    return source.with_name(f"{source.stem}_{suffix}{ending}")


def _clashes(jobs: Sequence[Job]) -> dict[Job, str]:
    """Jobs that must not be done, and why: their result has the place of an input, or of an earlier result."""
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    clashes: dict[Job, str] = {}
    for job in jobs:
        place = job.target.resolve()
        if place in sources:
            clashes[job] = f"{job.target}: would overwrite an input; choose another output"
        elif place in taken:
            clashes[job] = f"{job.source}: would be written to {job.target}, as {taken[place]} is"
        else:
            taken[place] = job.source
    return clashes
