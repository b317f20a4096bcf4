"""Who may come in, and how much may be brought: what every request passes before anything is done for it."""

import asyncio
import secrets
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.app.options import ServiceOptions
from pellucid.app.problems import Problem

SLOWEST = 32 * 1024  # bytes a second that a client must send, once its first seconds are over
CLOSED = ("/v1", "/metrics")  # without the token; the page holds nothing, and health is for whoever watches
HEADERS = {
    "Cache-Control": "no-cache",  # else a browser may keep some modules of the page over an update
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Gate:
    """Checks Host (a name that was rebound to 127.0.0.1 is no name of ours), Origin, token and the size of bodies."""

    def __init__(self, app: ASGIApp, options: ServiceOptions) -> None:
        """Stand before an application."""
        self._app = app
        self._options = options
        self._hosts = {"localhost", "127.0.0.1", "::1", options.host.strip("[]"), *options.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        has_answered = False

        async def sending(message: Message) -> None:
            nonlocal has_answered
            if message["type"] == "http.response.start":
                has_answered = True
                fields = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    fields.setdefault(name, value)
                if origin in self._options.allowed_origins:
                    fields["Access-Control-Allow-Origin"] = str(origin)
                    fields["Vary"] = "Origin"
                    fields["Access-Control-Expose-Headers"] = "Content-Disposition, Retry-After, X-Pellucid-Receipt"
                    fields["Cross-Origin-Resource-Policy"] = "cross-origin"
            await send(message)

        try:
            self._check(scope, headers, origin)
            if scope["method"] == "OPTIONS" and origin in self._options.allowed_origins:
                await _preflight(sending)
                return
            await self._app(scope, self._limited(receive), sending)
        except Problem as problem:
            if has_answered:  # too late to say so
                raise
            await problem.response()(scope, receive, sending)

    def _check(self, scope: Scope, headers: Headers, origin: str | None) -> None:
        host = _host_of(headers.get("host", ""))
        if host not in self._hosts:
            raise Problem(421, "This service is not known by the name in the Host header.")
        ours = f"{scope['scheme']}://{headers.get('host', '')}"
        if origin is not None and origin != ours and origin not in self._options.allowed_origins:
            raise Problem(403, "Pages of other origins may not use this service.")
        if scope["method"] == "OPTIONS":
            return
        length = headers.get("content-length")
        if length is not None and not (length.isascii() and length.isdecimal()):
            raise Problem(400, "Content-Length is no number.")
        if length is not None and int(length) > self._options.body_bytes:
            raise self._too_large()
        if self._options.token is not None and scope["path"].startswith(CLOSED):
            kind, _, token = headers.get("authorization", "").partition(" ")
            same = secrets.compare_digest(token.strip().encode(), self._options.token.encode())
            if kind.lower() != "bearer" or not same:
                raise Problem(401, "This service wants a token: Authorization: Bearer TOKEN.")

    def _limited(self, receive: Receive) -> Receive:
        """Receive no more than is allowed, and not too slowly."""
        started, received, is_whole = time.monotonic(), 0, False

        async def receiving() -> Message:
            nonlocal received, is_whole
            if is_whole:  # what comes now is that the client leaves, some time
                return await receive()
            end = started + self._options.idle_seconds + received / SLOWEST
            try:
                message = await asyncio.wait_for(receive(), max(end - time.monotonic(), 0.0))
            except TimeoutError:
                raise Problem(408, "The picture came too slowly.") from None
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                is_whole = not message.get("more_body")
            if received > self._options.body_bytes:
                raise self._too_large()
            return message

        return receiving

    def _too_large(self) -> Problem:
        return Problem(413, f"The file is larger than {self._options.body_bytes / 2**20:.0f} MiB, the most here.")


async def _preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", b"authorization, content-type, x-file-name"),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _host_of(header: str) -> str:
    """The name in a Host header, without its port; nothing if it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
