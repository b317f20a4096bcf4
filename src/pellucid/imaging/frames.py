"""Several pictures in one file: the frames of an animation, the pages of a TIFF."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Literal

from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import apng, gif, raw, tiff, webp
from pellucid.imaging.limits import MAX_PIXELS, refuse_huge
from pellucid.imaging.metadata import collect, quiet_pillow
from pellucid.imaging.photo import Photo
from pellucid.imaging.png import SIGNATURE
from pellucid.imaging.source import naming, open_file
from pellucid.imaging.write import check_writable_suffix, fit, write_whole

_ANIMATED = ("GIF", "WEBP", "PNG")
_HOLDERS = (*_ANIMATED, "TIFF")


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The pictures of one file, decoded one at a time.

    Attributes:
        count: how many, at least two.
        kind: an animation's are shown one after the other; pages are photographs of their own.
        durations: of each frame of an animation in milliseconds; empty for pages.
        loop: how often the animation is played; 0 for ever.
        format: Pillow's name of the file's.
        size_in_bytes: of all pages' samples when not compressed, at most.
    """

    count: int
    kind: Literal["animation", "pages"]
    durations: tuple[float, ...]
    loop: int
    format: str
    size_in_bytes: int = 0
    _decode: Callable[[], Iterator[Photo]] = field(repr=False)

    def photos(self) -> Iterator[Photo]:
        """Decode one after the other, upright, each as it is seen: whole, and with the metadata of its page.

        Raises:
            ImageError: One of them is damaged, too large, or of a kind not supported.
        """
        return self._decode()


def open_frames(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Frames | None:
    """Look into a file for more pictures than one, decoding nothing.

    Previews are not counted: those of a camera's MPO, and a TIFF's smaller copies and masks.

    Args:
        path: any file that ``read_photo`` reads.
        max_pixels: of a frame or page; larger ones are refused.

    Returns:
        None if there is one picture only.

    Raises:
        ImageError: As ``read_photo``; one line that starts with the path.
    """
    path = Path(path)
    with naming(path), open_file(path) as file:
        head = file.read(16)
        if head.startswith(b"GIF8"):
            return _gif(path, file, max_pixels)
        if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            return _webp(path, file, max_pixels)
        if head.startswith(SIGNATURE):
            return _apng(path, file, max_pixels)
        if head.startswith(tiff.MAGIC) and not raw.is_raw(path, head):
            return _tiff(path, file, max_pixels)
    return None


def check_holds_frames(path: str | os.PathLike[str], like: Frames | None = None) -> None:
    """Refuse a file name whose format cannot hold several pictures, before any work is done for it.

    Args:
        path: where they are to go.
        like: what is to go there, if it is known.

    Raises:
        ImageError: The format holds one picture only, or none of this kind; the message proposes one.
    """
    name = check_writable_suffix(path)
    if name not in _HOLDERS:
        raise ImageError(f"{path}: {name} holds one picture; choose .webp, .gif or .png for frames, .tif for pages")
    if like is not None and like.kind == "pages" and name != "TIFF":
        raise ImageError(f"{path}: pages of different kinds fit into a TIFF only; choose .tif")
    if like is not None and like.kind == "animation" and name == "TIFF":
        raise ImageError(f"{path}: TIFF has no timing for an animation; choose .webp, .gif or .png")


def write_frames(
    photos: Iterator[Photo],
    like: Frames,
    path: str | os.PathLike[str],
    *,
    quality: int | None = None,
    overwrite: bool = True,
) -> None:
    """Write several pictures to one file, atomically, consuming them one at a time.

    Frames keep their timing and number of plays; WebP is without loss if the source was. Pages keep their own
    depth, size and metadata; where they do not fit 4 GB, the TIFF is a BigTIFF.

    Args:
        photos: as many as ``like`` has; frames of an animation in one size.
        like: where they come from.
        path: ending in .gif, .webp, .png, .apng, .tif or .tiff.
        quality, overwrite: as for ``write_photo``.

    Raises:
        ImageError: They cannot be written; the path is then as it was before.
        ConfigError: The quality is not 1 to 100.
        Exception: Whatever ``photos`` raises is passed on, the path being as it was before.
    """
    check_holds_frames(path, like)
    path = Path(path)
    name = check_writable_suffix(path)
    failures: list[Exception] = []
    fitting = fit(_counted(_noting(photos, failures), like), path)

    def write(file: IO[bytes]) -> None:
        if name == "TIFF":
            tiff.write_pages(fitting, file, big=tiff.needs_big(like.size_in_bytes))
        elif name == "GIF":
            gif.write_animation(fitting, like.durations, like.loop, file)
        elif name == "WEBP":
            webp.write_animation(fitting, like.durations, like.loop, file, quality)
        else:
            apng.write_animation(fitting, like.durations, like.loop, file)

    try:
        write_whole(path, write, overwrite=overwrite)
    except ImageError:
        if failures:
            raise failures[0] from None
        raise


def _noting(photos: Iterable[Photo], failures: list[Exception]) -> Iterator[Photo]:
    """Tell what went wrong with a photo from what went wrong with its file."""
    try:
        yield from photos
    except Exception as error:
        failures.append(error)
        raise


def _counted(photos: Iterable[Photo], like: Frames) -> Iterator[Photo]:
    """Refuse more or fewer than announced, and frames of an animation in several sizes."""
    number, size = 0, None
    for number, photo in enumerate(photos, 1):
        size = size or photo.pixels.shape[:2]
        if like.kind == "animation" and photo.pixels.shape[:2] != size:
            raise ImageError("the frames differ in size, which no animation can hold")
        if number > like.count:
            break
        yield photo
    if number != like.count:
        found = f"more than {like.count}" if number > like.count else f"{number} of {like.count}"
        raise ImageError(f"{found} pictures were given to be written")


def _gif(path: Path, file: IO[bytes], max_pixels: int) -> Frames | None:
    facts = gif.read_facts(file)
    if len(facts.durations) < 2:
        return None
    refuse_huge(*facts.size, max_pixels)

    def photos() -> Iterator[Photo]:
        with naming(path), path.open("rb") as file:
            for pixels, alpha in gif.read_frames(file, facts, max_pixels):
                yield Photo(pixels=pixels, alpha=alpha, xmp=facts.xmp, format="GIF")

    return _animation("GIF", facts.durations, facts.plays, photos)


def _webp(path: Path, file: IO[bytes], max_pixels: int) -> Frames | None:
    facts = webp.read_facts(file)
    if len(facts.durations) < 2:
        return None
    refuse_huge(*facts.size, max_pixels)

    def photos() -> Iterator[Photo]:
        with naming(path), path.open("rb") as file:
            with quiet_pillow(max_pixels):
                image = Image.open(file, formats=("WEBP",))
            for index in range(len(facts.durations)):
                image.seek(index)
                yield replace(Photo.from_pil(image), lossless=facts.lossless)

    return _animation("WEBP", facts.durations, facts.plays, photos)


def _apng(path: Path, file: IO[bytes], max_pixels: int) -> Frames | None:
    facts = apng.read_facts(file)
    if facts is None or len(facts.durations) < 2:
        return None
    refuse_huge(*facts.size, max_pixels)

    def photos() -> Iterator[Photo]:
        with naming(path), path.open("rb") as file:
            with quiet_pillow(max_pixels):
                still = Image.open(apng.still(file), formats=("PNG",))
                still.load()  # Pillow meets a PNG's last chunks here
            for pixels, alpha in apng.read_frames(file, facts):
                orientation, fields = collect(still.info)
                yield Photo.from_stored(pixels, alpha, orientation, fields, format="PNG")

    return _animation("PNG", facts.durations, facts.plays, photos)


def _animation(format: str, durations: tuple[float, ...], plays: int, photos: Callable[[], Iterator[Photo]]) -> Frames:
    return Frames(
        count=len(durations), kind="animation", durations=durations, loop=plays, format=format, _decode=photos
    )


def _tiff(path: Path, file: IO[bytes], max_pixels: int) -> Frames | None:
    pages = [page for page in tiff.read_pages(file) if page.is_photo]
    if len(pages) < 2 or pages[0].is_dng:
        return None
    for page in pages:
        refuse_huge(page.width, page.height, max_pixels)

    def photos() -> Iterator[Photo]:
        with naming(path), path.open("rb") as file:
            image = tiff.open_with_pillow(file)
            for page in pages:
                yield tiff.read_page(path, file, image, page, max_pixels)

    return Frames(
        count=len(pages),
        kind="pages",
        durations=(),
        loop=1,
        format="TIFF",
        size_in_bytes=sum(page.bytes for page in pages),
        _decode=photos,
    )
