"""What the routes share: pictures are taken in, looked into and queued, in a folder of the service's own."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import unquote

from fastapi import FastAPI, Query, Request
from starlette.datastructures import UploadFile

from pellucid.app.jobs import Job, Queue
from pellucid.app.media import written_as
from pellucid.app.options import ServiceOptions
from pellucid.app.orders import Facts, Look, Refusal, Restoration, Show, Shown
from pellucid.app.pool import Worker
from pellucid.app.problems import Problem
from pellucid.app.telemetry import Telemetry
from pellucid.zoo import TASKS, list_models

T = TypeVar("T")
UPLOADS = 64  # files that are taken in at once; more wait
LONGEST_NAME = 100  # letters of a client's name for a picture
LONGEST_SHOWN = 6000  # pixels a side, of pictures made for browsers that cannot show the format


class Service:
    """What the routes share."""

    def __init__(self, options: ServiceOptions) -> None:
        """Nothing is started yet."""
        self.options = options
        self.queue = Queue(options)
        self.telemetry = Telemetry(self.queue)
        self.root = Path()
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._looks = asyncio.Lock()
        self._looker: Worker

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncGenerator[None]:
        """Workers and a folder for files, as long as the service runs."""
        with tempfile.TemporaryDirectory(prefix="pellucid-", ignore_cleanup_errors=True) as root:
            self.root = Path(root)
            self._looker = Worker(self.options.memory_bytes, self.options.seconds)
            self.queue.start()
            try:
                yield
            finally:
                await self.queue.drain()
                self._looker.close()

    async def take(self, request: Request, wishes: "Wishes", *, shows: bool) -> Job:
        """Take in a picture and queue it.

        Raises:
            Problem: it is too large, no picture, damaged, too slow, or there is no room for it.
        """
        wishes.check()
        folder = Path(tempfile.mkdtemp(dir=self.root))
        try:
            async with self._uploads:
                name = await _receive(request, folder / "picture")
            facts = await self._look(folder / "picture")
            # what a client calls its file decides nothing here
            source = (folder / "picture").rename(folder / f"picture{facts.suffix}")
            (folder / "result").mkdir()
            order = Restoration(
                source=source,
                folder=folder / "result",
                task=wishes.task,
                model=wishes.model,
                format=wishes.format or _accepted(request, facts.mime),
                quality=wishes.quality,
                compression=wishes.compression,
                shows=shows,
            )
            job = Job(folder=folder, name=_plain(wishes.name or name), facts=facts, order=order)
            await self.queue.add(job)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return job

    async def _look(self, source: Path) -> Facts:
        async with self._looks:
            answer = await self._looker.carry_out(Look(source=source, megapixels=self.options.megapixels))
        return _expect(answer, Facts)

    async def shown(self, job: Job, source: Path) -> Path:
        """A JPEG of a picture, for a browser."""
        target = job.folder / f"{source.parent.name}-shown.jpg"
        async with self._looks:
            if not target.exists():
                _expect(await self._looker.carry_out(Show(source=source, target=target, longest=LONGEST_SHOWN)), Shown)
        return target

    def job(self, id: str) -> Job:
        """The job with this number.

        Raises:
            Problem: there is none, or no more.
        """
        job = self.queue.jobs.get(id)
        if job is None:
            raise Problem(404, "There is no such job, or its result was not fetched in time.")
        return job


class Wishes:
    """What a client wants; the words are those of the command's options."""

    def __init__(
        self,
        task: Annotated[str | None, Query(description=f"What is wrong with the picture: {', '.join(TASKS)}.")] = None,
        model: Annotated[str | None, Query(description="A name from /v1/models, instead of a task.")] = None,
        format: Annotated[str | None, Query(description="Of the result: png, jpg, tiff ... Default: as sent.")] = None,
        quality: Annotated[int | None, Query(ge=1, le=100, description="Of JPEG, WebP, AVIF and HEIC.")] = None,
        compression: Annotated[str | None, Query(description="Of TIFF: none, deflate, zstd or lzw.")] = None,
        name: Annotated[str | None, Query(description="What the result is called when it is saved.")] = None,
    ) -> None:
        """As the query says."""
        self.task, self.model, self.format = task, model, format
        self.quality, self.compression, self.name = quality, compression, name

    def check(self) -> None:
        """Refuse, before a picture is taken in, what no weights can do.

        Raises:
            Problem: an unknown task or model, or both at once.
        """
        names = [model.name for model in list_models()]
        if self.model is not None and self.model not in names:  # never the path of a file
            raise Problem(422, f"There is no model of this name; there are {', '.join(names)}.")
        if self.task is not None and self.task not in TASKS:
            raise Problem(422, f"There is no such task; there are {', '.join(TASKS)}.")
        if self.task is not None and self.model is not None:
            raise Problem(422, "Name a task or a model, not both: a model knows its task.")
        if self.task is not None and TASKS[self.task].weights is None:
            raise Problem(422, f"There are no weights for '{self.task}' yet.")


async def _receive(request: Request, target: Path) -> str:
    """Write a body, plain or the first file of a form, to a file; gives what the client calls it."""
    kind = request.headers.get("content-type", "")
    with target.open("xb") as file:
        if not kind.startswith("multipart/form-data"):
            async for chunk in request.stream():
                file.write(chunk)
            name = unquote(request.headers.get("x-file-name", ""))
        else:
            async with request.form(max_files=1, max_fields=8) as form:
                sent = next((value for value in form.values() if isinstance(value, UploadFile)), None)
                if sent is None:
                    raise Problem(422, "The form holds no file.")
                await asyncio.to_thread(shutil.copyfileobj, sent.file, file)
                name = sent.filename or ""
        if not file.tell():
            raise Problem(422, "There is no picture in the body.")
    return name


def _plain(name: str) -> str:
    """A client's name for a picture, without folders, ending and what no file's name should have."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in Path(last).stem if letter.isprintable() and letter not in '<>:"|?*')[
        :LONGEST_NAME
    ].strip(". ")


def _accepted(request: Request, mime: str) -> str | None:
    """The format that a client accepts, if it is not that of the picture (RFC 9110, 12.5.1; without weights).

    Raises:
        Problem: none that can be written.
    """
    accepts = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    if any(kind in ("*/*", "image/*", "", mime) for kind in accepts):
        return None
    found = next((suffix for kind in accepts if (suffix := written_as(kind))), None)
    if found is None and "/v1/restore" in request.url.path:
        raise Problem(406, "None of the formats that Accept names can be written.")
    return found and found.removeprefix(".")


def _expect(answer: object, kind: type[T]) -> T:
    if isinstance(answer, Refusal):
        raise Problem(answer.status, answer.detail)
    assert isinstance(answer, kind)
    return answer
