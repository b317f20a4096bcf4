"""A worker process: one order at a time, and a new process where one has died."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from pellucid.app.orders import STOP, Advanced, Answer, Begun, Order, Progress, Strip
from pellucid.app.problems import Problem

GRACE = 10.0  # seconds that a worker has to end what it was told to end
OnProgress = Callable[[Progress], None]


class Worker:
    """A process that carries out orders."""

    def __init__(self, memory_bytes: int, seconds: float) -> None:
        """Start it with limits for the memory that it holds and for the seconds of one order."""
        self._limits = memory_bytes, seconds
        self._threads = ThreadPoolExecutor(1)  # waits for what the process tells
        self._orders = 0
        self._start()

    def _start(self) -> None:
        # not forked: the threads of PyTorch do not survive that
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, *self._limits), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    async def carry_out(self, order: Order, on_progress: OnProgress | None = None) -> Answer:
        """Give an order and wait for the answer.

        Raises:
            Problem: the process died, or had to be ended as it took too long. The next one is there then.
        """
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(self._limits[1] + GRACE, self._process.kill)
        self._orders += 1
        try:
            self._connection.send(order)
            while True:
                message = await loop.run_in_executor(self._threads, self._connection.recv)
                if not isinstance(message, Begun | Advanced | Strip):
                    return message
                if on_progress:
                    on_progress(message)
        except (EOFError, OSError):
            self._process.join()
            self._connection.close()
            self._start()
            raise Problem(500, "The worker that had this picture has died; send the picture again.") from None
        finally:
            alarm.cancel()
            self._orders += 1

    def stop(self) -> None:
        """Have the order that is carried out end before the next tile, or the process with it."""
        order = self._orders
        try:
            self._connection.send(STOP)
        except OSError:
            return
        asyncio.get_running_loop().call_later(GRACE, lambda: self._orders == order and self._process.kill())

    def close(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self._threads.shutdown()
        self._connection.close()


def _work(connection: Connection, memory_bytes: int, seconds: float) -> None:
    """In the new process: what it needs is imported there, and not by the service."""
    from pellucid.app.worker import work

    work(connection, memory_bytes, seconds)
