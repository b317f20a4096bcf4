"""A process that looks into pictures and restores them: what a damaged file can do, it does here.

It takes one order after the other from a pipe, tells of its progress, and answers. It ends when the pipe does.
"""

import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.app.media import mime_of
from pellucid.app.orders import (
    STOP,
    Advanced,
    Answer,
    Begun,
    Facts,
    Look,
    Order,
    Ready,
    Refusal,
    Restoration,
    Restored,
    Show,
    Shown,
    Warm,
)
from pellucid.app.screen import Screen, as_jpeg
from pellucid.checkpoints import file_digest, load_network
from pellucid.errors import ConfigError, ImageError, ModelError, PellucidError
from pellucid.files import FileOptions, FileResult, restore_files
from pellucid.imaging import Frame, Saving, open_picture, read_photo
from pellucid.imaging.formats import HEAD_BYTES, format_of
from pellucid.inference import Restorer
from pellucid.memory import keep_freed_memory
from pellucid.zoo import find_model

TRIAL = 256  # pixels a side of the tile that is restored before the first picture


class Stopped(PellucidError):
    """Nobody wants the result any more."""


def work(connection: Connection, memory_bytes: int, seconds: float) -> None:
    """Carry out orders until there are no more.

    Args:
        connection: to whoever gives them.
        memory_bytes: that this process may hold.
        seconds: that a restoration may take.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches all processes; the service decides
    logging.disable(logging.INFO)
    keep_freed_memory()
    _limit_memory(memory_bytes)
    while True:
        try:
            order: Order | str = connection.recv()
        except EOFError:
            return
        if order == STOP:  # of what has ended meanwhile
            continue
        assert not isinstance(order, str)
        connection.send(_answer(order, connection, seconds))


def _answer(order: Order, connection: Connection, seconds: float) -> Answer:
    """Carry out one order, whatever happens."""
    try:
        if isinstance(order, Look):
            return _look(order)
        if isinstance(order, Show):
            return _show(order)
        return _warm() if isinstance(order, Warm) else _restore(order, connection, seconds)
    except MemoryError:
        return Refusal(status=422, detail="The picture needs more memory than a worker may hold.")
    except PellucidError as error:
        return Refusal(status=422, detail=str(error))
    except Exception as error:  # a defect, of ours or of a library, costs one picture
        logging.getLogger(__name__).exception("unexpected")
        return Refusal(status=500, detail=f"{type(error).__name__} while the picture was read or restored.")


def _look(order: Look) -> Facts | Refusal:
    with order.source.open("rb") as file:
        format = format_of(file.read(HEAD_BYTES), order.source)
    try:
        picture = open_picture(order.source, max_pixels=sys.maxsize)
        if format is None:
            raise ImageError("is no picture")
        height, width = picture.size or picture.first().samples.shape[:2]
    except ImageError as error:
        return Refusal(status=415 if format is None else 422, detail=_about_picture(error, order.source))
    facts = Facts(
        format=format.name,
        width=width,
        height=height,
        frames=picture.count,
        suffix=format.suffixes[0],
        mime=mime_of(format.written[0] if format.written else ".png"),
    )
    if facts.megapixels > order.megapixels:
        detail = f"The picture has {facts.megapixels:.1f} megapixels; {order.megapixels:g} is the most here."
        return Refusal(status=413, detail=detail)
    return facts


def _show(order: Show) -> Shown:
    photo = read_photo(order.source, max_pixels=sys.maxsize)
    samples = photo.array()
    step = -(-max(photo.width, photo.height) // order.longest)
    order.target.write_bytes(as_jpeg(samples[::step, ::step], photo.icc))
    return Shown(path=order.target)


def _warm() -> Ready:
    restorer, _ = _restorer(find_model())
    noise = np.random.default_rng(0).random((TRIAL, TRIAL, 3), np.float32)
    restorer.restore_array(noise)  # kernels are compiled
    started = time.monotonic()
    restorer.restore_array(noise)
    return Ready(rate=TRIAL**2 / 1e6 / (time.monotonic() - started))


def _restore(order: Restoration, connection: Connection, seconds: float) -> Restored | Refusal:
    try:
        weights = find_model(order.model, order.task)
        restorer, digest = _restorer(weights)
        options = FileOptions(
            format=order.format,
            saving=Saving(quality=order.quality, compression=order.compression),
            timeout=seconds,
            max_pixels=sys.maxsize,  # seen to at the door
            keep_date=False,
        )
        results = restore_files(
            [order.source],
            order.folder,
            restorer=restorer,
            options=options,
            on_start=lambda _, read: connection.send(Begun(pixels=read.pixels)),
            on_tile=lambda pixels: _advance(connection, pixels),
            on_rows=_on_rows(connection) if order.shows else None,
        )
        (result,) = results
    except (ConfigError, ModelError) as error:
        return Refusal(status=422, detail=str(error))
    if result.error or result.target is None:
        return Refusal(status=422, detail=_about_picture(result.error or "", order.source))
    target = Path(result.target)
    return Restored(target=target, mime=mime_of(target.suffix), receipt=_receipt(result, weights, digest, restorer))


def _advance(connection: Connection, pixels: int) -> None:
    connection.send(Advanced(pixels=pixels))
    if connection.poll() and connection.recv() == STOP:
        raise Stopped("The restoration was stopped.")


def _on_rows(connection: Connection) -> Callable[[Frame, int, NDArray[Any]], None]:
    """Show the rows of the first frame."""
    shown: Frame | None = None
    screen: Screen | None = None

    def add(frame: Frame, top: int, rows: NDArray[Any]) -> None:
        nonlocal shown, screen
        if screen is None:
            shown, screen = frame, Screen(frame, connection.send)
        if frame is shown:
            screen.add(top, rows)

    return add


def _receipt(result: FileResult, weights: Path, digest: str, restorer: Restorer) -> dict[str, Any]:
    """What was done, as a page tells it and a program reads it; no path of this machine is in it."""
    watches = result.frames or ((result.watch,) if result.watch else ())
    return {
        "model": weights.stem,
        "sha256": digest,
        "device": str(restorer.runs_on),
        "precision": restorer.options.precision,
        "read": asdict(result.read) if result.read else None,
        "tiles": sum(watch.tiles for watch in watches),
        "changed": any(watch.share > 0 for watch in watches),
        "share": max((watch.share for watch in watches), default=0.0),
        "events": [asdict(event) for watch in watches for event in watch.events],
        "warnings": list(result.warnings),
        "seconds": round(result.seconds, 3),
    }


@lru_cache(maxsize=8)
def _restorer(weights: Path) -> tuple[Restorer, str]:
    return Restorer(load_network(weights), device="auto"), file_digest(weights)


def _about_picture(error: object, source: Path) -> str:
    """An error about a file of ours, as one about what the client sent."""
    message = str(error).removeprefix(str(source)).removeprefix(":").strip()
    subject = "The file" if message.startswith("is not a picture") else "The picture"
    return f"{subject} {message}." if message.startswith(("is ", "has ", "holds ")) else f"{subject}: {message}."


def _limit_memory(memory_bytes: int) -> None:
    """Have allocations fail beyond so much, where the system can tell."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
