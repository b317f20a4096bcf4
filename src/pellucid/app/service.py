"""The service: HTTP in front, worker processes behind, and a page for people."""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, unquote

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from pellucid import __version__
from pellucid.app.gate import Gate
from pellucid.app.jobs import Job, Queue
from pellucid.app.media import written_as
from pellucid.app.options import ServiceOptions
from pellucid.app.orders import Facts, Look, Refusal, Restoration, Restored, Show, Shown
from pellucid.app.pool import Worker
from pellucid.app.problems import Problem
from pellucid.app.telemetry import Telemetry
from pellucid.zoo import TASKS, list_models

T = TypeVar("T")
PAGE = Path(__file__).parent / "page"
UPLOADS = 64  # files that are taken in at once; more wait
LONGEST_NAME = 100  # letters of a client's name for a picture
LONGEST_SHOWN = 6000  # pixels a side, of pictures made for browsers that cannot show the format
ALIVE_SECONDS = 15.0  # between signs of life to who follows a job
WITH_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}


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
        if self.task is not None and not list_models(self.task):
            raise Problem(422, f"There are no weights for '{self.task}' yet.")


Wished = Annotated[Wishes, Depends()]


def create_app(options: ServiceOptions | None = None) -> FastAPI:
    """The service as an ASGI application; ``app.state.service`` is what its routes share.

    Raises:
        ConfigError: options that cannot be.
    """
    service = Service(options or ServiceOptions())
    app = FastAPI(
        title="pellucid",
        version=__version__,
        summary="The photograph behind rain, haze, noise and blur.",
        docs_url=None,  # its page would load from elsewhere
        redoc_url=None,
        lifespan=service.running,
    )
    app.state.service = service
    app.add_middleware(Gate, options=service.options)
    _add_errors(app, service)
    _add_restoring(app, service)
    _add_jobs(app, service)
    _add_watching(app, service)
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _add_errors(app: FastAPI, service: Service) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        service.telemetry.refused(error.status)
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return Problem(422, f"{first['loc'][-1]}: {first['msg']}.").response()

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        return Problem(error.status_code, f"{error.detail}.").response()

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return Problem(500, f"{type(error).__name__} in the service; this is a defect.").response()


def _add_restoring(app: FastAPI, service: Service) -> None:
    @app.post("/v1/restore", openapi_extra=WITH_PICTURE, response_class=FileResponse, tags=["restore"])
    async def restore(request: Request, wishes: Wished) -> Response:
        """Send a picture, get it back restored: the very bytes that ``pellucid restore`` would write."""
        job = await service.take(request, wishes, shows=False)
        try:
            await _wait(job, request, service)
            response = _result(job)
        except BaseException:
            service.queue.cancel(job)
            service.queue.forget(job)
            raise
        response.background = BackgroundTask(service.queue.forget, job)
        return response

    @app.get("/v1/tasks", tags=["restore"])
    async def tasks() -> list[dict[str, str]]:
        """What can be mended, in words, and the model that does it; the first is what is done if none is named."""
        return [
            {"name": name, "words": words, "model": models[0].name}
            for name, words in TASKS.items()
            if (models := list_models(name))
        ]

    @app.get("/v1/models", tags=["restore"])
    async def models() -> list[dict[str, Any]]:
        """The weights that there are, and what was measured with them."""
        return [{"name": each.name, "task": each.task, "scores": each.scores} for each in list_models()]


def _add_jobs(app: FastAPI, service: Service) -> None:
    @app.post("/v1/jobs", status_code=202, openapi_extra=WITH_PICTURE, tags=["jobs"])
    async def add(request: Request, wishes: Wished, response: Response) -> dict[str, Any]:
        """Send a picture and go on; ask for what becomes of it, or follow its events."""
        job = await service.take(request, wishes, shows=True)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return job.as_dict()

    @app.get("/v1/jobs/{id}", tags=["jobs"])
    async def state(id: str) -> dict[str, Any]:
        """How far a job is, and what was done."""
        return service.job(id).as_dict()

    @app.get("/v1/jobs/{id}/events", response_class=StreamingResponse, tags=["jobs"])
    async def events(id: str) -> Response:
        """Server-sent events: ``progress``, ``strip`` (rows of the result as JPEG), then ``done`` or what else."""
        return StreamingResponse(_stream(service.job(id)), media_type="text/event-stream")

    @app.delete("/v1/jobs/{id}", status_code=204, tags=["jobs"])
    async def cancel(id: str) -> Response:
        """Stop a job before its next tile, or throw its result away."""
        job = service.job(id)
        if job.has_ended:
            service.queue.forget(job)
        else:
            service.queue.cancel(job)
        return Response(status_code=204)

    @app.get("/v1/jobs/{id}/result", response_class=FileResponse, tags=["jobs"])
    async def result(id: str) -> Response:
        """The restored file."""
        return _result(service.job(id))

    @app.get("/v1/jobs/{id}/before", response_class=FileResponse, tags=["jobs"])
    async def before(id: str) -> Response:
        """What was sent, as a JPEG that any browser shows."""
        job = service.job(id)
        return FileResponse(await service.shown(job, job.order.source), media_type="image/jpeg")

    @app.get("/v1/jobs/{id}/after", response_class=FileResponse, tags=["jobs"])
    async def after(id: str) -> Response:
        """The result, as a JPEG that any browser shows."""
        job = service.job(id)
        return FileResponse(await service.shown(job, _restored(job).target), media_type="image/jpeg")


def _add_watching(app: FastAPI, service: Service) -> None:
    @app.get("/livez", response_class=PlainTextResponse, tags=["health"])
    async def livez() -> str:
        """Whether the process answers."""
        return "ok"

    @app.get("/readyz", response_class=PlainTextResponse, tags=["health"])
    async def readyz() -> str:
        """Whether weights are loaded and a tile was restored."""
        if service.queue.is_draining or not service.queue.is_ready:
            raise Problem(503, "The service is about to stop." if service.queue.is_draining else "Not ready yet.")
        return "ok"

    @app.get("/metrics", response_class=PlainTextResponse, tags=["health"])
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(service.telemetry.text(), media_type=service.telemetry.MIME)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html")


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


async def _wait(job: Job, request: Request, service: Service) -> None:
    """Until a job has ended, or the client has left."""
    ended = asyncio.create_task(job.wait())
    left = asyncio.create_task(_disconnected(request))
    await asyncio.wait({ended, left}, return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    if not ended.done():
        service.queue.cancel(job)
        await ended


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(job: Job) -> AsyncIterator[str]:
    """Events as text; now and then a sign of life."""
    events = job.events()
    coming: asyncio.Task[tuple[str, dict[str, Any]]] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=ALIVE_SECONDS)
            if not done:
                yield ": still there\n\n"
                continue
            try:
                kind, data = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
    finally:
        if coming:
            coming.cancel()


def _restored(job: Job) -> Restored:
    """What was made.

    Raises:
        Problem: nothing was, or not yet.
    """
    if job.problem:
        raise job.problem
    if job.state == "cancelled":
        raise Problem(410, "The restoration was stopped.")
    if job.result is None:
        raise Problem(409, "The picture is not restored yet.")
    return job.result


def _result(job: Job) -> FileResponse:
    restored = _restored(job)
    name = f"{job.name or 'picture'}_restored{restored.target.suffix}"
    receipt = json.dumps(restored.receipt, default=str)
    ascii = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{ascii}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "no-store",
        "X-Pellucid-Receipt": quote(receipt, safe=" {}[]\":,.'-_/"),
    }
    return FileResponse(restored.target, media_type=restored.mime, headers=headers)


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
