"""What a picture carries and a format cannot hold: left out here, and nowhere else, and said by name."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.imaging.color import display_p3_profile, to_depth, to_float
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.picture import Frame, Picture

log = logging.getLogger(__name__)

_DISPLAY_P3 = (12, 13)  # primaries and transfer


def fitted(picture: Picture, format: Format, path: Path, saving: Saving) -> Picture:
    """The picture with what the format can hold; frame by frame, as they are asked for.

    Raises:
        ImageError: The format cannot hold so large a picture, or, once samples are asked for, ones that are no numbers.
    """
    said: set[str] = set()

    def fit(frame: Frame) -> Frame:
        limit = format.longest_side
        if max(frame.height, frame.width) > limit:
            raise ImageError(f"{format.name} holds at most {limit} pixels a side; choose .tif")
        fitting, lost = _fit(frame, format, saving)
        fresh = [name for name in lost if name not in said]
        if fresh:
            log.warning("%s: %s cannot hold its %s", path, format.name, ", ".join(fresh))
        gone = [name for name in frame.left_out if name not in said]
        if gone:
            log.warning("%s: what the source has beside its picture is left out: %s", path, ", ".join(gone))
        said.update(lost, frame.left_out)
        return fitting

    timing = picture.timing and format.timing(picture.timing)
    if timing != picture.timing:
        log.warning("%s: %s cannot hold its exact timing", path, format.name)
    return replace(picture.mapped(fit), timing=timing)


def _fit(frame: Frame, format: Format, saving: Saving) -> tuple[Frame, list[str]]:
    lost, changes = list[str](), dict[str, Any]()
    numbers = None if frame.cicp is None or frame.icc else (frame.cicp.primaries, frame.cicp.transfer)
    if numbers == _DISPLAY_P3 and "cicp" not in format.carried and "icc" in format.carried:
        frame = replace(frame, cicp=None, icc=display_p3_profile())  # which says the same
    loses_alpha = frame.has_alpha and not format.alpha
    if loses_alpha:
        colour = "#{:02x}{:02x}{:02x}".format(*saving.background)
        colour = {"#ffffff": "white", "#000000": "black"}.get(colour, colour)
        lost.append(f"alpha (it lies over {colour} now)")
    for name in ("exif", "icc", "cicp", "xmp", "iptc"):
        value = getattr(frame, name)
        if value is not None and (
            name not in format.carried or (name in format.longest and len(value) > format.longest[name])
        ):
            lost.append(name)
            changes[name] = None
    kept = tuple(text for text in frame.text if not format.comments_only or text.keyword == "Comment")
    kept = kept if "text" in format.carried else ()
    gone = dict.fromkeys(text.keyword for text in frame.text if text not in kept)
    lost += [f"text ({', '.join(gone)})"] if gone else []
    changes["text"] = kept
    if frame.dpi and not {"inch", "cm"} & {*format.units}:
        lost.append("dpi")
        changes["dpi"] = None
    if frame.aspect and "none" not in format.units:
        lost.append("aspect ratio")
        changes["aspect"] = None
    changes["native"] = tuple(part for part in frame.native if part.format == format.name)
    lost += dict.fromkeys(part.name for part in frame.native if part.name and part.format != format.name)
    white = frame.white if format.name != frame.format else None
    if white is not None:
        lost = [name for name in lost if name != "white point"] + ["white point (white is at the top now)"]
        changes["white"] = None
    if frame.no_data is not None and format.name != frame.format:
        lost = [name for name in lost if name != "no-data value"] + ["no-data value"]
        changes["no_data"] = None
    kept, dtype = _depth(frame, format.depths)
    if kept < (bits := _bits(frame)):
        lost.append(f"{bits}-bit {'float ' if frame.dtype.kind == 'f' else ''}samples ({kept} bits are kept)")
    if not loses_alpha and dtype == frame.dtype and white is None:
        return replace(frame, **changes), lost

    def change(strip: NDArray[Any]) -> NDArray[Any]:
        strip = strip if white is None else _stretched(strip, white, frame.channels)
        return to_depth(_over(strip, saving.background) if loses_alpha else strip, dtype)

    bands = frame.channels + (frame.has_alpha and not loses_alpha)
    return frame.mapped(change, bands, dtype, **changes), lost


def _bits(frame: Frame) -> int:
    return frame.bits or 8 * frame.dtype.itemsize


def _depth(frame: Frame, depths: tuple[int, ...]) -> tuple[int, np.dtype[Any]]:
    """Bits of a sample in the file, as few as hold all or else the most there are, and what to give its writer."""
    bits = min((bits for bits in depths if bits >= _bits(frame)), default=max(depths))
    return bits, np.dtype(np.float32 if bits == 32 else np.uint16 if bits > 8 else np.uint8)


def _stretched(strip: NDArray[Any], white: float, channels: int) -> NDArray[Any]:
    """Samples whose white is at the top of their depth; alpha (last) is there already."""
    top = 1 if strip.dtype.kind == "f" else np.iinfo(strip.dtype).max
    colours = strip[:, :, :channels] * np.float32(top / white)
    colours = colours if top == 1 else np.rint(colours).clip(0, top)
    return np.concatenate([colours.astype(strip.dtype), strip[:, :, channels:]], axis=2)


def _over(strip: NDArray[Any], background: tuple[int, int, int]) -> NDArray[Any]:
    """Colours with alpha (last), not premultiplied, laid over one colour; grey over its luminance."""
    below = np.array(background, np.float32) / 255
    if strip.shape[2] == 2:
        below = below @ np.array((0.299, 0.587, 0.114), np.float32)
    alpha = to_float(strip[:, :, -1:])
    colours = to_float(strip[:, :, :-1])
    return to_depth(colours * alpha + below * (1 - alpha), strip.dtype)
