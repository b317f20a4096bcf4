"""Pictures too large for memory, a few rows at a time: in from JPEG, PNG and TIFF, out to the same."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from pellucid.errors import ImageError
from pellucid.imaging.carried import JpegSettings
from pellucid.imaging.formats import Saving
from pellucid.imaging.metadata import collect, quiet_pillow
from pellucid.imaging.photo import Photo
from pellucid.imaging.picture import Picture
from pellucid.imaging.rows import LARGE, Rows, Streamed
from pellucid.imaging.write import write_picture

__all__ = ["LARGE", "Rows", "Strips", "UnreadableError", "open_strips", "write_strips"]

if TYPE_CHECKING:
    import pyvips

_DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_INTERPRETATIONS = ("b-w", "srgb", "rgb", "grey16", "rgb16")


class UnreadableError(ImageError):
    """Samples that a picture's head promised cannot be had, which shows when they are asked for."""


class Strips:
    """A picture on disk that is read as it is asked for: ``strips[top:bottom, left:right]`` is (H, W, C).

    It stands where an array of pixels does, as long as rows are asked for from top to bottom; going back begins anew.

    Attributes:
        photo: everything but the pixels, which are a single zero spread over the picture's shape.
        path: of the file, for messages.
    """

    def __init__(self, start: "Callable[[], pyvips.Image]", photo: Photo, path: Path) -> None:
        self.photo = photo
        self.path = path
        self.shape: tuple[int, int, int] = (photo.height, photo.width, photo.channels)
        self.dtype = photo.pixels.dtype
        self._start = start
        self._begin()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        return self._samples(rows)[:, columns, : self.shape[2]]

    def alpha(self, rows: slice) -> NDArray[Any] | None:
        """(H, W), or None when there is no transparency."""
        return None if self.photo.alpha is None else self._samples(rows)[:, :, self.shape[2]]

    def _begin(self) -> None:
        import pyvips

        self._image = self._start()
        self._region = pyvips.Region.new(self._image)
        self._top = 0
        self._held = np.empty((0, self.shape[1], self._image.bands), self.dtype)

    def _fetch(self, top: int, rows: int) -> Any:
        import pyvips

        try:
            return self._region.fetch(0, top, self.shape[1], rows)
        except pyvips.Error as error:
            raise UnreadableError(f"{self.path}: is damaged or cut short ({' '.join(str(error).split())})") from None

    def _samples(self, rows: slice) -> NDArray[Any]:
        """Rows with all bands; those above them are forgotten."""
        top, bottom, _ = rows.indices(self.shape[0])
        if top < self._top:
            self._begin()
        held = self._held[top - self._top :]
        missing = bottom - (top + len(held))
        if missing > 0:
            raw = self._fetch(top + len(held), missing)
            fresh = np.frombuffer(raw, self.dtype).reshape(missing, *self._held.shape[1:])
            if fresh.dtype.kind == "f" and not np.isfinite(fresh).all():
                raise UnreadableError(f"{self.path}: the picture holds infinite or undefined values")
            held = np.concatenate([held, fresh])
        self._top, self._held = top, held
        return held[: bottom - top]


def open_strips(path: Path) -> Strips | None:
    """A picture that is large enough, and stored in a way that can be read by rows; otherwise None.

    A turned picture is unpacked to a temporary file first, by libvips.
    """
    import pyvips

    try:
        with path.open("rb") as file, quiet_pillow():
            image = Image.open(file, formats=("JPEG", "PNG", "TIFF"))
            if image.width * image.height < LARGE or getattr(image, "n_frames", 1) > 1:
                return None
            is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
            orientation, fields = collect(image.info, image.getexif() if is_tiff else None)
            jpeg, format = JpegSettings.of(image), image.format

        def start() -> pyvips.Image:
            access = "sequential" if orientation == 1 else "random"
            stored = pyvips.Image.new_from_file(str(path), access=access, fail_on="error")
            return _upright(stored, orientation)

        stored = start()
    # hostile bytes may raise anything, and reading the file whole says better what is wrong with it
    except Exception:
        return None
    if str(stored.format) not in _DTYPES or stored.interpretation not in _INTERPRETATIONS or stored.bands > 4:
        return None
    colours = 1 if stored.bands < 3 else 3
    zero = np.zeros((), _DTYPES[str(stored.format)])
    plane = np.broadcast_to(zero, (stored.height, stored.width))
    pixels = np.broadcast_to(zero, (*plane.shape, colours))
    if orientation >= 5 and fields["dpi"]:
        across, down = fields["dpi"]
        fields["dpi"] = (down, across)
    alpha = plane if stored.bands > colours else None
    return Strips(start, Photo(pixels=pixels, alpha=alpha, format=format, jpeg=jpeg, **fields), path)


def write_strips(photo: Photo, strips: Iterable[NDArray[Any]], path: Path, *, quality: int | None = None) -> None:
    """Write a picture from rows as they come, atomically, in the format that the file's ending names.

    Args:
        photo: everything but the pixels.
        strips: (H, W, bands) of it from top to bottom, alpha last, in the photo's depth.
        path: ending in a suffix of JPEG, PNG or TIFF.
        quality: as for ``write_photo``.

    Raises:
        ImageError: another format, or it cannot be written; the path is then as it was before.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".tif", ".tiff"):
        raise ImageError(f"{path}: a picture this large can be written as JPEG, PNG or TIFF only")
    shape = (photo.height, photo.width, photo.channels + (photo.alpha is not None))
    samples = Streamed(shape, photo.pixels.dtype, lambda: iter(strips))
    write_picture(Picture.of(photo.with_samples(samples)), path, Saving(quality=quality))


def _upright(image: "pyvips.Image", orientation: int) -> "pyvips.Image":
    """Undo an EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        image = image.rot90().fliphor()  # transposed
    if orientation in (2, 3, 6, 7):
        image = image.fliphor()
    return image.flipver() if orientation in (3, 4, 7, 8) else image
