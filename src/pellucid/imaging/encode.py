"""Encoders of libvips', which pull, fed with rows that are pushed."""

import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from pellucid.imaging.picture import Frame
from pellucid.imaging.rows import Streamed

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@contextmanager
def encoded(
    frame: Frame, save: Callable[[pyvips.Image, pyvips.Target], None], beside: IO[bytes]
) -> Generator[IO[bytes]]:
    """A file without a name, beside another, that an encoder has written a frame of whole numbers to; at its start.

    A thread encodes. Rows that are made as they are asked for go to it through a pipe, as a PNG that is not compressed;
    so a network that makes them runs in the caller's thread, where signals and exceptions reach it.
    """
    failures: list[Exception] = []
    reading, writing = os.pipe()
    is_streamed = isinstance(frame.samples, Streamed)

    def pull() -> None:
        try:
            if is_streamed:
                source = pyvips.Source.new_from_descriptor(reading)
                image = pyvips.Image.pngload_source(source, access="sequential", fail_on="error")
            else:
                image = in_memory(frame.array())
            save(image, pyvips.Target.new_to_descriptor(file.fileno()))
        except Exception as error:
            failures.append(error)
        finally:
            os.close(reading)

    with tempfile.TemporaryFile(dir=Path(str(getattr(beside, "name", ""))).parent) as file:
        thread = Thread(target=pull, daemon=True)
        thread.start()
        try:
            # an encoder that failed reads no more, and its own error says why
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
                for piece in _stored_png(frame) if is_streamed else ():
                    pipe.write(piece)
        finally:
            thread.join()
        if failures:
            file.write(bytes(2**16))  # a disk that is full says so better than the encoder does
            file.flush()
            raise failures[0]
        file.seek(0)
        yield file


def in_memory(samples: NDArray[Any]) -> pyvips.Image:
    """Samples (H, W, bands) of whole numbers as libvips understands them."""
    height, width, bands = samples.shape
    kind, spaces = ("ushort", ("grey16", "rgb16")) if samples.dtype.itemsize == 2 else ("uchar", ("b-w", "srgb"))
    image = pyvips.Image.new_from_memory(samples.data, width, height, bands, kind)
    return image.copy(interpretation=spaces[bands > 2])


def _stored_png(frame: Frame) -> Iterator[bytes]:
    head = struct.pack(
        ">IIBBBBB", frame.width, frame.height, 8 * frame.dtype.itemsize, _COLOUR_TYPES[frame.samples.shape[2]], 0, 0, 0
    )
    yield SIGNATURE
    yield from chunk(b"IHDR", head)
    pack = zlib.compressobj(0)
    for strip in frame.strips():
        samples = strip.astype(strip.dtype.newbyteorder(">"), copy=False)
        lines = np.ascontiguousarray(samples).view(np.uint8).reshape(len(strip), -1)
        yield from chunk(b"IDAT", pack.compress(np.pad(lines, ((0, 0), (1, 0))).data))  # a filter's number before each
    yield from chunk(b"IDAT", pack.flush())
    yield from chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
    """A PNG's chunk with its length and checksum, in pieces."""
    return struct.pack(">I4s", len(data), name), data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
