"""Restoring files and folders: what goes where, each file by itself, no file at risk."""

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
    looks_like_picture,
    read_photo,
    write_photo,
)
from pellucid.inference.restorer import OnTile, Restorer


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
        ConfigError: two inputs would be written to one file, an input would be overwritten, or the output's
            ending names no format that can be written.
    """
    into = None if output is None else Path(output)
    is_folder = into is not None and (
        into.is_dir()
        or not into.suffix
        or os.fspath(output or "").endswith(("/", os.sep))
        or len(inputs) > 1
        or any(Path(name).is_dir() or _is_pattern(name) for name in inputs)
    )
    if into is not None and not is_folder:
        _check_ending(into)

    jobs: list[Job] = []
    failures: list[FileResult] = []
    for name in inputs:
        found = _expand(name, beside=into if is_folder else None)
        if isinstance(found, str):
            failures.append(FileResult(source=os.fspath(name), error=found))
            continue
        root = Path(name) if Path(name).is_dir() else None
        for source in found:
            jobs.append(Job(source, _target(source, root, into, is_folder=is_folder, suffix=suffix)))
    jobs = list(dict.fromkeys(jobs))  # a file named twice is one
    _check_targets(jobs)
    return Plan(tuple(jobs), tuple(failures))


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
        return FileResult(source=source, error=_naming(source, str(error)))
    except OSError as error:
        return FileResult(source=source, error=f"{error.filename or target}: {error.strerror}")
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


def _naming(source: str, message: str) -> str:
    return message if ": " in message else f"{source}: {message}"


def _is_pattern(name: str | os.PathLike[str]) -> bool:
    return has_magic(os.fspath(name)) and not Path(name).exists()


def _expand(name: str | os.PathLike[str], *, beside: Path | None) -> list[Path] | str:
    """The picture files that an argument means, or why it means none."""
    path = Path(name)
    if path.is_dir():
        found = [p for p in sorted(path.rglob("*")) if p.is_file() and looks_like_picture(p)]
        # an output folder inside the input folder holds results, not inputs
        found = [p for p in found if beside is None or path == beside or not p.is_relative_to(beside)]
        return found or f"{name}: a folder without pictures"
    if _is_pattern(name):
        found = [Path(match) for match in sorted(glob(os.fspath(name), recursive=True))]  # noqa: PTH207, Path.glob wants a root
        return [p for p in found if p.is_file()] or f"{name}: matches no file"
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


def _check_targets(jobs: Sequence[Job]) -> None:
    """No two results in one place, and none in the place of an input."""
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        place = job.target.resolve()
        if place in sources:
            raise ConfigError(f"{job.target}: would overwrite an input; choose another output")
        if place in taken:
            raise ConfigError(f"{taken[place]} and {job.source} would both be written to {job.target}")
        taken[place] = job.source
