"""Pictures that are to be restored: who waits, what is going on, and what is there to be fetched."""

import asyncio
import base64
import secrets
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.app.options import ServiceOptions
from pellucid.app.orders import Begun, Facts, Progress, Ready, Refusal, Restoration, Restored, Strip, Warm
from pellucid.app.pool import Worker
from pellucid.app.problems import Problem

State = Literal["queued", "running", "done", "failed", "cancelled"]
FIRST_RATE = 0.1  # megapixels a second, until one was measured
NEWS = 0.02  # of a picture, that must be finished before it is told of
WEIGHT = 0.3  # of the newest measurement of the rate
SWEEP_SECONDS = 5.0


@dataclass(eq=False, kw_only=True)
class Job:
    """A picture on its way.

    Attributes:
        folder: all its files; they go when it does.
        name: what the client calls it, without an ending.
        facts: what it holds.
        order: what is to be done.
        state: how far it is.
        done: pixels that are finished, of ``pixels``.
        is_unwanted: it is to stop before its next tile.
        problem: why it failed.
        result: what was made.
        begun, ended: when it came, and when nothing more was to happen, on the monotonic clock.
    """

    folder: Path
    name: str
    facts: Facts
    order: Restoration
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))  # who knows it may have the picture
    state: State = "queued"
    done: int = 0
    pixels: int = 0
    is_unwanted: bool = False
    problem: Problem | None = None
    result: Restored | None = None
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    _events: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "cancelled")

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Tell whoever follows it."""
        self._events.append((kind, data))
        self._news.set()
        self._news = asyncio.Event()

    def progress(self, message: Progress) -> None:
        """Note what a worker tells."""
        if isinstance(message, Begun):
            self.pixels = message.pixels
            self.tell("progress", {"done": 0.0})
        elif isinstance(message, Strip):
            image = base64.b64encode(message.jpeg).decode()
            size = {"width": message.width, "whole": message.whole}
            self.tell("strip", {"top": message.top, "height": message.height, **size, "jpeg": image})
        else:
            before, self.done = self.done, self.done + message.pixels
            most = max(self.pixels, 1)
            if before // (NEWS * most) != self.done // (NEWS * most):
                self.tell("progress", {"done": min(self.done / most, 1.0)})

    def end(self, state: State, problem: Problem | None = None) -> None:
        """Nothing more will happen."""
        self.state, self.problem, self.ended = state, problem, time.monotonic()
        self.tell(state, self.as_dict())

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """All that was told, and what is, until the end."""
        told = 0
        while True:
            news = self._news
            while told < len(self._events):
                yield self._events[told]
                told += 1
            if self.has_ended:
                return
            await news.wait()

    async def wait(self) -> None:
        """Until it has ended."""
        async for _ in self.events():
            pass

    def as_dict(self) -> dict[str, Any]:
        """For clients."""
        facts = self.facts
        return {
            "id": self.id,
            "state": self.state,
            "progress": 1.0 if self.state == "done" else min(self.done / max(self.pixels, 1), 1.0),
            "picture": {
                "format": facts.format,
                "width": facts.width,
                "height": facts.height,
                "frames": facts.frames,
            },
            "problem": self.problem.as_dict() if self.problem else None,
            "receipt": self.result.receipt if self.result else None,
        }


class Queue:
    """Restores one job after the other in worker processes, and knows how quickly that goes."""

    def __init__(self, options: ServiceOptions) -> None:
        """Nothing is started yet."""
        self._options = options
        self.jobs: dict[str, Job] = {}
        self.rate = FIRST_RATE
        self.is_ready = False
        self.is_draining = False
        self.on_end: Callable[[Job], None] = lambda _: None
        self._waiting: deque[Job] = deque()
        self._running: dict[Job, Worker] = {}
        self._arrival = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the workers."""
        options = self._options
        for _ in range(options.workers):
            worker = Worker(options.memory_bytes, options.seconds)
            self._tasks.append(asyncio.create_task(self._serve(worker)))
        self._tasks.append(asyncio.create_task(self._sweep()))

    @property
    def workers(self) -> list[Worker]:
        """Those that are busy."""
        return list(self._running.values())

    @property
    def queued_megapixels(self) -> float:
        """Of all pictures that wait or are worked on, without what is finished of them."""
        waiting = sum(job.facts.megapixels for job in self._waiting)
        return waiting + sum(job.facts.megapixels * (1 - job.done / max(job.pixels, 1)) for job in self._running)

    def check_room(self, megapixels: float) -> None:
        """Refuse a picture that would have to wait for too long.

        Raises:
            Problem: 503 while the service ends, or 429 with the seconds until there is room.
        """
        if self.is_draining:
            raise Problem(503, "The service is about to stop and takes no more pictures.", retry_after=30)
        queued, most = self.queued_megapixels, self._options.queued_megapixels
        if queued and queued + megapixels > most:
            seconds = queued / self.rate
            raise Problem(
                429, f"{queued:.0f} megapixels are waiting; come again in {seconds:.0f} s.", retry_after=seconds
            )

    async def add(self, job: Job) -> None:
        """Have a job done in its turn."""
        self.check_room(job.facts.megapixels)
        self.jobs[job.id] = job
        async with self._arrival:
            self._waiting.append(job)
            self._arrival.notify()

    def cancel(self, job: Job) -> None:
        """Stop a job; what waits at once, what is going on before its next tile."""
        if job in self._waiting:
            self._waiting.remove(job)
            self._end(job, "cancelled")
        elif job in self._running:
            job.is_unwanted = True
            self._running[job].stop()

    def forget(self, job: Job) -> None:
        """Remove a job and its files."""
        self.jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    async def drain(self) -> None:
        """Finish what is there, then stop."""
        self.is_draining = True
        while self._waiting or self._running:
            await asyncio.sleep(0.1)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, worker: Worker) -> None:
        try:
            answer = await worker.carry_out(Warm())
            if isinstance(answer, Ready):
                self.rate, self.is_ready = answer.rate, True
            while True:
                async with self._arrival:
                    await self._arrival.wait_for(lambda: self._waiting)
                    job = self._waiting.popleft()
                    self._running[job] = worker
                await self._carry_out(job, worker)
        finally:
            worker.close()

    async def _carry_out(self, job: Job, worker: Worker) -> None:
        job.state = "running"
        started = time.monotonic()
        try:
            answer = await worker.carry_out(job.order, job.progress)
        except Problem as problem:
            answer = Refusal(status=problem.status, detail=problem.detail)
        finally:
            del self._running[job]
        if job.is_unwanted:
            self._end(job, "cancelled")
        elif isinstance(answer, Restored):
            job.result = answer
            rate = job.facts.megapixels / max(time.monotonic() - started, 1e-3)
            self.rate += WEIGHT * (rate - self.rate)
            self._end(job, "done")
        else:
            assert isinstance(answer, Refusal)
            self._end(job, "failed", Problem(answer.status, answer.detail))

    def _end(self, job: Job, state: State, problem: Problem | None = None) -> None:
        job.end(state, problem)
        self.on_end(job)

    async def _sweep(self) -> None:
        """Remove what nobody has fetched, the oldest first."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            ended = sorted((job for job in self.jobs.values() if job.ended), key=lambda job: job.ended or 0)
            held = sum(_bytes_in(job.folder) for job in ended)
            for job in ended:
                if time.monotonic() - (job.ended or 0) > self._options.kept_seconds or held > self._options.kept_bytes:
                    held -= _bytes_in(job.folder)
                    self.forget(job)


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
