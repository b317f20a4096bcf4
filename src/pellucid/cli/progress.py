"""Progress bars, on stderr, so that stdout stays clean for results."""

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from pellucid.cli.printing import printable
from pellucid.files import FileResult, Job, PictureFacts, Plan

if TYPE_CHECKING:
    from pellucid.training import StepReport

MEGA = 1e6


class _Bars:
    """Progress bars that are there between ``with`` and its end, and only on a terminal."""

    def __init__(self, *columns: ProgressColumn, transient: bool, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            TimeRemainingColumn(),
            console=console,
            transient=transient,
            disable=not (shown and console.is_terminal),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


class FileProgress(_Bars):
    """How many pictures are done, how much of the present one, and megapixels per second."""

    def __init__(self) -> None:
        super().__init__(TaskProgressColumn(), TextColumn("{task.fields[rate]}"), transient=True)
        self._files: TaskID = self._bars.add_task("pictures", total=None, rate="")
        self._tiles: TaskID | None = None
        self._read: PictureFacts | None = None
        self._name = ""
        self._pixels = self._done = 0  # in all, and of the present picture
        self._started = time.monotonic()

    def plan(self, plan: Plan) -> None:
        """Learn how many pictures there are."""
        self._started = time.monotonic()
        self._bars.update(
            self._files, total=len(plan.jobs) + len(plan.failures), description=f"{len(plan.jobs)} pictures"
        )

    def start(self, job: Job, read: PictureFacts) -> None:
        """Show a picture that was read."""
        self._read, self._done = read, 0
        self._name = f"  {escape(printable(job.source.name))}, {read.pixels / MEGA:.1f} MP"
        self._tiles = self._bars.add_task(self._name, total=read.pixels, rate="")

    def advance(self, pixels: int) -> None:
        """Count pixels that are finished, and frames."""
        self._pixels += pixels
        self._done += pixels
        rate = self._pixels / MEGA / (time.monotonic() - self._started)
        self._bars.update(self._files, rate=f"{rate:.2f} MP/s")
        if self._tiles is not None and self._read is not None:
            count = self._read.frames
            frame = f", frame {min(self._done * count // self._read.pixels + 1, count)} of {count}" if count > 1 else ""
            self._bars.update(self._tiles, advance=pixels, description=self._name + frame)

    def finish(self, result: FileResult) -> None:
        """Take a picture off the screen and count it, if it was ever one."""
        if self._tiles is not None:
            self._bars.remove_task(self._tiles)
            self._tiles = None
        self._bars.update(self._files, advance=1)


class CountProgress(_Bars):
    """How many of so many things are done."""

    def __init__(self, what: str, total: int) -> None:
        super().__init__(MofNCompleteColumn(), transient=True)
        self._count = self._bars.add_task(what, total=total)

    def advance(self) -> None:
        """Count one."""
        self._bars.advance(self._count)


class TrainProgress(_Bars):
    """Steps done, the loss and the side of the patches now, and the time left."""

    def __init__(self, *, shown: bool) -> None:
        columns = (MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
        super().__init__(*columns, transient=False, shown=shown)
        self._steps: TaskID | None = None

    def step(self, now: "StepReport") -> None:
        """Show where a run is."""
        if self._steps is None:
            self._steps = self._bars.add_task("training", total=now.iterations, completed=now.step - 1, state="")
        loss = "" if math.isnan(now.loss) else f"loss {now.loss:.4f}, "
        self._bars.update(self._steps, completed=now.step, state=f"{loss}patch {now.patch}")
