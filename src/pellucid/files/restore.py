"""Restoring files and folders: each file by itself, no file at risk."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from numpy.typing import NDArray

from pellucid.atomic import sweep
from pellucid.errors import ImageError
from pellucid.files.deadline import CheckTime
from pellucid.files.journal import Journal, recipe_of
from pellucid.files.options import FileOptions
from pellucid.files.plan import Job, Plan, check_saving, plan_files
from pellucid.files.results import FileResult
from pellucid.files.run import OnStart, Run, Work, open_read
from pellucid.imaging import Frame, Photo, Picture
from pellucid.imaging.rows import Streamed
from pellucid.inference.guard import TileWatch
from pellucid.inference.restorer import Restorer
from pellucid.inference.shown import Shown
from pellucid.inference.tiled import OnTile

LOOKS = 16  # frames or pictures that several are judged by together, evenly spread

OnPlan = Callable[[Plan], None]
OnRows = Callable[[Frame, int, NDArray[Any]], None]
"""Is told of the rows of a restored frame, (h, W, bands) and the number of the first, as they are made."""


def restore_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    restorer: Restorer,
    options: FileOptions | None = None,
    on_plan: OnPlan | None = None,
    on_start: OnStart | None = None,
    on_tile: OnTile | None = None,
    on_rows: OnRows | None = None,
) -> Iterator[FileResult]:
    """Restore files and folders one by one; a file that fails is reported and the others go on.

    Args:
        inputs, output: as for ``plan_files``.
        restorer: does the work.
        options: how files are named, read and written; None is as ``FileOptions`` has it.
        on_plan: called once, with what will be done.
        on_start: called with each job and what was read, before the work on it.
        on_tile: called with the number of pixels finished, as they are.
        on_rows: called with rows of the results, as they are written.

    Yields:
        One result for each input that named no file, then one for each file.

    Raises:
        ConfigError: as ``plan_files`` and ``check_saving``, before any work.
    """
    options = options or FileOptions()
    share_of_all: float | None = None

    def planned(plan: Plan) -> None:
        nonlocal share_of_all
        if on_plan:
            on_plan(plan)
        if options.together:
            looks = _looks(plan.jobs, options)
            first = next(looks, None)
            share_of_all = restorer.judge(map(Shown, chain((first,), looks)), TileWatch()) if first else None

    def work(picture: Picture, _job: Job, check_time: CheckTime) -> tuple[Picture, list[TileWatch]]:
        def advance(pixels: int) -> None:
            check_time()
            if on_tile:
                on_tile(pixels)

        watches, share = list[TileWatch](), share_of_all
        if share is None and picture.timing and picture.count > 1:
            looks = islice(picture.frames(), 0, None, -(-picture.count // LOOKS))
            share = restorer.judge(map(Shown, looks), TileWatch())  # one answer for all, or they would flicker
        if share == 0:
            return picture, [TileWatch(share=0.0, taken_for_clean=True)] * picture.count

        def restored(frame: Frame) -> Frame:
            watches.append(TileWatch() if share is None else TileWatch(share=share))
            made = restorer.restore_frame(frame, share=share, on_tile=advance, watch=watches[-1])
            return made if on_rows is None else _told(made, on_rows)

        return picture.mapped(restored), watches

    return process_files(
        inputs, output, work, recipe=recipe_of(restorer), options=options, on_plan=planned, on_start=on_start
    )


def _told(frame: Frame, on_rows: OnRows) -> Frame:
    """The same frame, whose rows are told of as they are asked for."""

    def rows() -> Iterator[NDArray[Any]]:
        top = 0
        for strip in frame.strips():
            on_rows(frame, top, strip)
            yield strip
            top += len(strip)

    height, width, bands = frame.samples.shape
    return frame.with_samples(Streamed((height, width, bands), frame.dtype, rows))


def _looks(jobs: Sequence[Job], options: FileOptions) -> Iterator[Frame]:
    """Some of the pictures, evenly spread; those that cannot be read are told of when their turn comes."""
    for job in jobs[:: max(-(-len(jobs) // LOOKS), 1)]:
        with suppress(ImageError):
            yield Photo.of(open_read(job.source, options).first())


def process_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None,
    work: Work,
    *,
    recipe: str,
    options: FileOptions | None = None,
    on_plan: OnPlan | None = None,
    on_start: OnStart | None = None,
) -> Iterator[FileResult]:
    """Make new pictures of files and folders one by one; a file that fails is reported and the others go on.

    Args:
        inputs, output: as for ``plan_files``.
        work: makes the new pictures.
        recipe: what decides how it does so, in a word, for resuming to compare.
        options, on_plan, on_start: as for ``restore_files``; yields and raises as it does.
    """
    options = options or FileOptions()
    plan = plan_files(inputs, output, suffix=options.suffix, format=options.format)
    check_saving(plan.jobs, options.saving)
    if on_plan:
        on_plan(plan)
    for name, error in plan.failures:
        yield FileResult(source=name, error=error)
    for folder in {job.target.parent for job in plan.jobs}:
        sweep(folder)
    roots = {job.root for job in plan.jobs if job.root is not None}
    # a hidden file is left where several results go, not beside a single one
    made_by = hashlib.sha256(
        f"{recipe} {options.saving} {options.white} {options.no_data} {options.together}".encode()
    ).hexdigest()
    journals = {root: Journal(root, made_by) for root in roots if len(plan.jobs) > 1}
    run = Run(work, options, on_start, journals, {root for root in roots if root.is_dir()})
    for job in plan.jobs:
        yield run.process(job)
