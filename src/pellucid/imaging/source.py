"""A file that is to be read: by its handle, whatever its name, and with one line about whatever is wrong with it."""

import logging
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from pellucid.errors import ImageError, MissingExtraError
from pellucid.imaging.carried import Carried, orientation_of
from pellucid.imaging.limits import MAX_PIXELS, refuse_huge, too_large
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.rows import Streamed, rows_at_once

# It tells of its threads, and warns of what fails anyway, or of what we say in words of our own
logging.getLogger("pyvips").setLevel(logging.ERROR)

_DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_pillow_globals = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A picture file, opened.

    Attributes:
        path: for messages, and to open it again.
        file: at its start.
        max_pixels: of a picture, frame or page; larger ones are refused before they are decoded.
    """

    path: Path
    file: IO[bytes]
    max_pixels: int = MAX_PIXELS

    def streamed(
        self,
        load: Callable[..., pyvips.Image],
        *,
        orientation: int = 1,
        convert: Callable[[pyvips.Image], pyvips.Image] = lambda image: image,
        **options: Any,
    ) -> Streamed:
        """Samples that libvips decodes as they are asked for.

        Args:
            load: one of its loaders of sources, such as ``pyvips.Image.pngload_source``.
            orientation: to undo; a turned picture is unpacked as a whole first.
            convert: changes the picture before it is turned.
            options: of the loader.

        Raises:
            ImageError: It is too large, or of samples that are not kept.
        """

        def image() -> pyvips.Image:
            # neither by its name, which may be no UTF-8, nor at the place where another is reading
            with self.path.open("rb") as file:
                source = pyvips.Source.new_from_descriptor(file.fileno())
                access = "sequential" if orientation == 1 else "random"
                return _upright(convert(load(source, access=access, fail_on="error", **options)), orientation)

        def rows() -> Iterator[NDArray[Any]]:
            with naming(self.path):
                region = pyvips.Region.new(image())
                for place in rows_at_once(shape[0], shape[1]):
                    height = place.stop - place.start
                    raw: Any = region.fetch(0, place.start, shape[1], height)
                    yield np.frombuffer(raw, dtype).reshape(height, *shape[1:])

        begun = image()
        shape = begun.height, begun.width, begun.bands
        refuse_huge(begun.width, begun.height, self.max_pixels)
        if str(begun.format) not in _DTYPES or begun.bands > 4:
            raise ImageError(f"holds {begun.bands} bands of {begun.format}, which no photograph has")
        dtype = np.dtype(_DTYPES[str(begun.format)])
        return Streamed(shape, dtype, rows)

    def picture(self, load: Callable[..., pyvips.Image], carried: Carried, **options: Any) -> Picture:
        """The one picture that libvips decodes of the file, upright.

        Args:
            load, options: as for ``streamed``; raises as it does.
            carried: what lies beside it, as the file has it.
        """
        orientation = orientation_of(carried.exif, carried.xmp)
        samples = self.streamed(load, orientation=orientation, **options)
        height, width, _ = samples.shape
        size = (height, width) if orientation >= 5 else (width, height)
        frame = Frame(samples=samples, **vars(carried.upright(orientation, size)))
        return Picture.of(frame, path=self.path if orientation == 1 else None)


def of_bytes(load: Callable[..., pyvips.Image], data: bytes) -> Callable[..., pyvips.Image]:
    """A loader, for ``Source.streamed``, of a picture that is in memory: ``load`` is one of libvips' of buffers."""
    return lambda _source, **options: load(data, **options)


@contextmanager
def naming(path: Path) -> Generator[None]:
    """Turn whatever a decoder raises on a file into an ImageError of one line that starts with its name."""
    try:
        yield
        return
    except (ImageError, MissingExtraError) as error:
        reason = str(error).removeprefix(f"{path}: ")
    except MemoryError:
        reason = "does not fit in memory"
    except OSError as error:
        # of the file system, if it has a number; of Pillow's decoders otherwise
        reason = f"cannot be opened ({error.strerror})" if error.errno else _damaged(error)
    # A decoder that meets hostile bytes may raise anything, and one bad file must never end a batch
    except Exception as error:
        reason = _damaged(error)
    raise ImageError(f"{path}: {reason}") from None


@contextmanager
def quiet_pillow(max_pixels: int | None = None) -> Generator[None]:
    """Run Pillow without its warnings, and with this pixel limit, or none, in place of its own.

    Both are settings of the whole process, hence the lock: one thread at a time.

    Raises:
        ImageError: Pillow met a picture or frame above the limit, before it decoded it.
    """
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # raised from the limit on, where Pillow by itself would wait for twice as much
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            yield
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise too_large(max_pixels or MAX_PIXELS) from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def open_file(path: Path) -> IO[bytes]:
    """Open an ordinary file that is not empty.

    Raises:
        ImageError: There is none of this name.
        OSError: The system does not let it be opened.
    """
    if not path.exists():
        raise ImageError("no such file")
    if path.is_dir():
        raise ImageError("is a folder; name the pictures in it")
    if not path.is_file():
        raise ImageError("is not an ordinary file")
    if path.stat().st_size == 0:
        raise ImageError("is empty")
    return path.open("rb")


def _damaged(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # libvips tells last what happened last; before it may stand what became of other files
    return f"is damaged or cut short ({' '.join(lines[-1].split())[:200]})"


def _upright(image: pyvips.Image, orientation: int) -> pyvips.Image:
    """Undo an EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        image = image.rot90().fliphor()  # transposed
    if orientation in (2, 3, 6, 7):
        image = image.fliphor()
    return image.flipver() if orientation in (3, 4, 7, 8) else image
