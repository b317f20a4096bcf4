"""Restoring files and folders: each file by itself, no file at risk."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pellucid.atomic import sweep
from pellucid.imaging import Photo
from pellucid.imaging.strips import Strips
from pellucid.inference.batch import Batch, FileOptions, OnStart, Work, WorkByRows
from pellucid.inference.guard import Watch
from pellucid.inference.journal import Journal, recipe_of
from pellucid.inference.large import restore_strips
from pellucid.inference.plan import Job, Plan, plan_files
from pellucid.inference.restorer import OnTile, Restorer
from pellucid.inference.results import FileResult

OnPlan = Callable[[Plan], None]


def restore_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    restorer: Restorer,
    options: FileOptions | None = None,
    on_plan: OnPlan | None = None,
    on_start: OnStart | None = None,
    on_tile: OnTile | None = None,
) -> Iterator[FileResult]:
    """Restore files and folders one by one; a file that fails is reported and the others go on.

    Args:
        inputs, output: as for ``plan_files``.
        restorer: does the work.
        options: how files are named, read and written; None is as ``FileOptions`` has it.
        on_plan: called once, with what will be done.
        on_start: called with each job and what was read, before the work on it.
        on_tile: called with the number of pixels finished, as they are.

    Yields:
        One result for each input that named no file, then one for each file.

    Raises:
        ConfigError: as ``plan_files``, before any work.
    """
    watches: list[Watch] = []

    def begin(check_time: Callable[[], None]) -> tuple[OnTile, Watch]:
        def advance(pixels: int) -> None:
            check_time()
            if on_tile:
                on_tile(pixels)

        watches.append(Watch())
        return advance, watches[-1]

    def work(photo: Photo, job: Job, check_time: Callable[[], None]) -> Photo:
        advance, watch = begin(check_time)
        return restorer.restore(photo, on_tile=advance, watch=watch)

    def work_by_rows(strips: Strips, job: Job, check_time: Callable[[], None]) -> None:
        advance, watch = begin(check_time)
        restore_strips(restorer, strips, job.target, on_tile=advance, watch=watch)

    for result in process_files(
        inputs,
        output,
        work,
        by_rows=work_by_rows,
        recipe=recipe_of(restorer),
        options=options,
        on_plan=on_plan,
        on_start=on_start,
    ):
        if result.read and result.read.frames > 1:
            yield replace(result, frames=tuple(watches))
        else:
            yield replace(result, watch=watches[0] if watches else None)
        watches.clear()


def process_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None,
    work: Work,
    *,
    recipe: str,
    by_rows: WorkByRows | None = None,
    options: FileOptions | None = None,
    on_plan: OnPlan | None = None,
    on_start: OnStart | None = None,
) -> Iterator[FileResult]:
    """Make new pictures of files and folders one by one; a file that fails is reported and the others go on.

    Args:
        inputs, output: as for ``plan_files``.
        work: makes the new picture.
        recipe: what decides how it does so, in a word, for ``--resume`` to compare.
        by_rows: does the same where a picture is too large for memory; without it, all are read whole.
        options, on_plan, on_start: as for ``restore_files``; yields and raises as it does.
    """
    options = options or FileOptions()
    plan = plan_files(inputs, output, suffix=options.suffix, format=options.format)
    if on_plan:
        on_plan(plan)
    for name, error in plan.failures:
        yield FileResult(source=name, error=error)
    for folder in {job.target.parent for job in plan.jobs}:
        sweep(folder)
    roots = {job.root for job in plan.jobs if job.root is not None}
    # a hidden file is left where several results go, not beside a single one
    journals = {root: Journal(root, recipe) for root in roots if len(plan.jobs) > 1}
    batch = Batch(work, by_rows, options, on_start, journals, {root for root in roots if root.is_dir()})
    for job in plan.jobs:
        yield batch.process(job)
