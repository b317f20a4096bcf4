"""The service on a port, until it is told to stop."""

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from pellucid.app.options import ServiceOptions
from pellucid.app.routes import create_app
from pellucid.errors import ConfigError


class _Server(uvicorn.Server):
    """Finishes what is there when it is told to stop, and refuses the rest; told twice, it stops at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        queue = self.config.app.state.service.queue  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
        if queue.is_draining:
            super().handle_exit(sig, frame)
            return
        queue.is_draining = True
        self._loop.call_soon_threadsafe(lambda: setattr(self, "_drain", asyncio.ensure_future(self._end(queue))))

    async def _end(self, queue: object) -> None:
        await queue.drain()  # pyright: ignore[reportAttributeAccessIssue]
        self.should_exit = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)


def serve(options: ServiceOptions, on_address: Callable[[str], None] = lambda _: None) -> None:
    """Listen until a signal to stop comes.

    Args:
        options: where, and for whom.
        on_address: is told the address of the page.

    Raises:
        ConfigError: the address cannot be used.
    """
    config = uvicorn.Config(
        create_app(options),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever may be told by a header where a request comes from would believe anybody
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host.strip("[]"), options.port))
        listening.listen(128)  # who comes before all is ready waits
    except OSError as error:
        raise ConfigError(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from None
    with listening:
        host, port = listening.getsockname()[:2]
        on_address(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        _Server(config).run(sockets=[listening])
