"""The door out: a picture to a file, whole or not at all."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from pellucid.atomic import replacing
from pellucid.errors import ConfigError, ImageError
from pellucid.imaging.fit import fitted
from pellucid.imaging.formats import BY_SUFFIX, Saving, format_named
from pellucid.imaging.picture import Frame, Picture

WRITABLE_SUFFIXES = frozenset(BY_SUFFIX)
"""Lower-case file name endings that `write_photo` accepts, some with an extra only."""


def check_writable_suffix(path: str | os.PathLike[str]) -> str:
    """Refuse a file name whose ending names no writable format, before any work is done for it.

    Returns:
        The format's name in Pillow's spelling, such as ``"JPEG"``.

    Raises:
        ImageError: The ending is unknown or missing; the message proposes one.
        MissingExtraError: The format takes an extra that is not installed.
    """
    format = format_named(Path(path))
    format.require()
    return format.name


def check_holds(picture: Picture, path: str | os.PathLike[str], saving: Saving | None = None) -> None:
    """Refuse, before any work is done, a file whose format cannot hold as many pictures or be saved like that.

    Raises:
        ImageError: The format holds one picture only, or none of this kind; the message proposes one.
        ConfigError: The quality is not 1 to 100, or the format has no such compression.
        MissingExtraError: The format takes an extra that is not installed.
    """
    path, saving = Path(path), saving or Saving()
    format = format_named(path)
    format.require()
    if saving.quality is not None and not 1 <= saving.quality <= 100:
        raise ConfigError(f"Quality must be 1 to 100, got {saving.quality}.")
    if saving.compression is not None and saving.compression not in format.compressions:
        known = f" It has {', '.join(format.compressions)}." if format.compressions else ""
        raise ConfigError(f"{path}: {format.name} has no compression '{saving.compression}'.{known}")
    if picture.count == 1:
        return
    if format.frames == "one":
        raise ImageError(
            f"{path}: {format.name} holds one picture; choose .webp, .gif or .png for frames, .tif for pages"
        )
    if picture.timing is None and format.frames == "animation":
        raise ImageError(f"{path}: pages of different kinds fit into a TIFF only; choose .tif")
    if picture.timing is not None and format.frames == "pages":
        raise ImageError(f"{path}: {format.name} has no timing for an animation; choose .webp, .gif or .png")


def write_photo(
    frame: Frame, path: str | os.PathLike[str], *, quality: int | None = None, overwrite: bool = True
) -> None:
    """Write one picture in the format that the file's ending names; all else is as for ``write_picture``."""
    write_picture(Picture.of(frame), path, Saving(quality=quality), overwrite=overwrite)


def write_picture(
    picture: Picture, path: str | os.PathLike[str], saving: Saving | None = None, *, overwrite: bool = True
) -> None:
    """Write a picture in the format that the file's ending names, atomically, asking for its rows as they are written.

    What the format cannot hold (depth, transparency, EXIF, ...) is left out with a logged warning; depth is
    rounded to the nearest step, and what is transparent lies over a colour. PNG, TIFF and PPM are lossless. A JPEG is
    at least as fine as the JPEG it came from, a WebP that came from one without loss loses none, and AVIF and HEIC keep
    the bits of their source.

    Args:
        picture: what to write. Where it has a date, the file gets it.
        path: ending in one of `WRITABLE_SUFFIXES`, in a folder that exists.
        saving: choices; None is as ``Saving`` has them.
        overwrite: replace a file of that name.

    Raises:
        ImageError: It cannot be written; the path is then as it was before.
        ConfigError: The quality is not 1 to 100, or the format has no such compression.
        Exception: Whatever making the rows raises is passed on, the path being as it was before.
    """
    path, saving = Path(path), saving or Saving()
    check_holds(picture, path, saving)
    format = format_named(path)
    failures: list[Exception] = []

    def write(file: IO[bytes]) -> None:
        assert format.write is not None
        # what goes wrong with making the picture is told from what goes wrong with its file
        noted = replace(picture, decode=picture.frames).within(partial(_noting, failures))
        format.write(fitted(noted, format, path, saving), file, saving)

    try:
        write_whole(path, write, modified=picture.modified, overwrite=overwrite)
    except ImageError:
        if failures:
            raise failures[0] from None
        raise


def copy_picture(picture: Picture, path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
    """Write the very bytes of the file that a picture came from, atomically, with its date.

    Raises:
        ImageError: They cannot be written, or not be read again; the path is then as it was before.
    """
    assert picture.path is not None
    with picture.path.open("rb") as source:
        write_whole(Path(path), partial(shutil.copyfileobj, source), modified=picture.modified, overwrite=overwrite)


def write_whole(
    path: Path, write: Callable[[IO[bytes]], None], *, modified: int | None = None, overwrite: bool
) -> None:
    """Fill a hidden neighbour and rename it, so that no one ever finds half a picture under ``path``.

    Raises:
        ImageError: It cannot be written, whatever the encoder raised; the path is then as it was before.
    """
    try:
        _refuse_target(path, overwrite)
        with replacing(path) as unfinished:
            with unfinished.open("xb") as file:
                write(file)
            if modified is not None:
                os.utime(unfinished, ns=(modified, modified))
            _refuse_target(path, overwrite)  # it may have come while the rows were made
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or _line(error)})") from error
    # The encoders raise errors of many kinds, and one photo must never end a batch
    except Exception as error:
        raise ImageError(f"{path}: cannot be written as {format_named(path).name} ({_line(error)})") from error


@contextmanager
def _noting(failures: list[Exception]) -> Generator[None]:
    try:
        yield
    except Exception as error:
        failures.append(error)
        raise


def _refuse_target(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise ImageError("is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ImageError(f"the folder {path.parent} does not exist; create it first")
    if not overwrite and os.path.lexists(path):  # a dangling link is somebody's too
        raise ImageError("exists already, and overwriting was not asked for")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
