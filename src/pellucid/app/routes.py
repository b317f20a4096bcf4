"""The routes: what is asked for by HTTP, and what is answered."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pellucid import __version__
from pellucid.app.gate import Gate
from pellucid.app.jobs import Job
from pellucid.app.options import ServiceOptions
from pellucid.app.orders import Restored
from pellucid.app.problems import Problem
from pellucid.app.service import Service, Wishes
from pellucid.zoo import TASKS, list_models

PAGE = Path(__file__).parent / "page"
ALIVE_SECONDS = 15.0  # between signs of life to who follows a job
Wished = Annotated[Wishes, Depends()]

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

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, __: ClientDisconnect) -> Response:
        return Problem(400, "The client left before its picture was there.").response()  # which nobody reads

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
            {"name": name, "words": task.title, "model": task.weights} for name, task in TASKS.items() if task.weights
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
