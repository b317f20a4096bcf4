"""Which files below a folder are pictures, as well as their names tell."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pellucid.imaging.formats import FORMATS

READABLE_SUFFIXES = frozenset(suffix for format in FORMATS for suffix in format.suffixes)
"""Lower-case file name endings of the formats that can be read, some with an extra only."""
READ_ONLY_SUFFIXES = frozenset(suffix for format in FORMATS if format.write is None for suffix in format.suffixes)
"""Those of camera raw files, whose restored pictures are not raw: 16-bit TIFF or PNG holds them."""


def looks_like_picture(path: str | os.PathLike[str]) -> bool:
    """Tell from the name alone whether a file found in a folder is worth opening; hidden files are not."""
    path = Path(path)
    return path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".")


def walk(
    folder: Path, *, links: bool = False, on_error: Callable[[OSError], None] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Every folder from this one down, with the sorted names of its folders and files; hidden ones are passed over.

    Args:
        folder: to begin with.
        links: follow those that lead to folders.
        on_error: is told of folders that cannot be listed.

    Yields:
        A folder, names of folders in it, of which those that are taken out are not gone into, and names of files.
    """
    for place, folders, files in os.walk(folder, followlinks=links, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place), folders, sorted(name for name in files if not name.startswith("."))


def find_pictures(folder: Path) -> list[Path]:
    """Every file below a folder that looks like a picture, sorted."""
    found = (place / name for place, _, names in walk(folder) for name in names if looks_like_picture(name))
    return sorted(path for path in found if path.is_file())
