"""What becomes of every file in a folder of odd pictures: restored or refused, and why. Prints a table in Markdown.

    python -m benchmarks odd_files FOLDER

Each is read, written as it would be after a restoration that changes nothing, and read again. Where the format has
no loss, the samples must be equal; a file is refused in one line, or this script fails.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from pellucid.errors import ImageError
from pellucid.imaging import (
    READ_ONLY_SUFFIXES,
    WRITABLE_SUFFIXES,
    Photo,
    open_picture,
    write_picture,
)

LOSSY = {"JPEG", "AVIF", "HEIF"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    rows: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            rows.setdefault(outcome(path, Path(scratch)), []).append(str(path.relative_to(folder)))
    print("| what | files |")
    print("|---|---|")
    for what, names in rows.items():
        print(f"| {what} | {', '.join(names)} |")


def outcome(path: Path, scratch: Path) -> str:
    try:
        picture, target = open_picture(path), scratch / f"again{suffix_of(path)}"
        write_picture(picture, target)
        before, after = ([Photo.of(frame) for frame in opened.frames()] for opened in (picture, open_picture(target)))
    except ImageError as error:
        assert "\n" not in str(error)
        return f"refused: {str(error).removeprefix(f'{path}: ')}"
    return f"restored: {described(before[0])}, {compared(before, after)}"


def suffix_of(path: Path) -> str:
    """As the command names results."""
    suffix = path.suffix.lower()
    return ".tif" if suffix in READ_ONLY_SUFFIXES else suffix if suffix in WRITABLE_SUFFIXES else ".png"


def described(photo: Photo) -> str:
    bits = photo.bits or 8 * photo.pixels.itemsize
    colours = "grey" if photo.channels == 1 else "colour"
    carried = [name for name in ("exif", "icc", "xmp", "iptc", "dpi") if getattr(photo, name) is not None]
    alpha = " with alpha" if photo.alpha is not None else ""
    return f"{photo.format}, {bits}-bit {colours}{alpha}" + (f", {' '.join(carried)}" if carried else "")


def compared(before: list[Photo], after: list[Photo]) -> str:
    for photo, back in zip(before, after, strict=True):
        for name in ("icc", "xmp", "iptc"):
            assert getattr(photo, name) == getattr(back, name), name
        if back.format in LOSSY:
            assert photo.pixels.shape == back.pixels.shape
        else:
            assert photo.pixels.dtype == back.pixels.dtype
            np.testing.assert_array_equal(photo.interleaved(), back.interleaved())
    return "stored with loss" if after[0].format in LOSSY else "every sample equal"
