"""Which pictures the arguments mean, and where each result goes: decided before any work is done."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import WRITABLE_SUFFIXES, check_writable_suffix, find_pictures

log = logging.getLogger(__name__)

UNREADABLE_PICTURES = frozenset(
    {".heic", ".heif", ".jxl", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".psd"}
)


@dataclass(frozen=True)
class Job:
    """One picture to restore: from where, to where."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """All the work that the arguments mean, decided before any of it is done."""

    jobs: tuple[Job, ...]
    failures: tuple[tuple[str, str], ...]  # what was named, and why it cannot be done


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
    failures: list[tuple[str, str]] = []
    for name in inputs:
        found = _expand(name, excluding=into if is_folder else None)
        if isinstance(found, str):
            failures.append((os.fspath(name), found))
            continue
        root = Path(name) if Path(name).is_dir() else None
        for source in found:
            jobs.append(Job(source, _target(source, root, into, is_folder=is_folder, suffix=suffix)))
    jobs = list(dict.fromkeys(jobs))  # a file named twice is one
    clashes = _clashes(jobs)
    failures += [(str(job.source), error) for job, error in clashes.items()]
    return Plan(tuple(job for job in jobs if job not in clashes), tuple(failures))


def _check_ending(output: Path) -> None:
    try:
        check_writable_suffix(output)
    except ImageError as error:
        raise ConfigError(str(error)) from None


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
