"""HEIF: what its container tells beside the picture, as AVIF's does too, and HEVC by an extra's codec."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import MissingExtraError
from pellucid.imaging import exif as exif_of
from pellucid.imaging.carried import Carried, Cicp, Native
from pellucid.imaging.formats.boxes import Container, Item, with_properties
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.rows import Streamed
from pellucid.imaging.source import Source

DEFAULT_QUALITY = 90
LONGEST_SIDE = 16384
DEEPEST = 12
IDENTITY, BT601 = 0, 6  # matrices, by H.273
_MATRICES = (1, 5, 6, 9)  # that the encoder knows
_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs")
_XMP = "application/rdf+xml"
_UNTOLD = ((1, 2), (2, 13))  # primaries and transfers that mean what pixels mean of which nothing is told: sRGB's
_CREDENTIALS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_AUXILIARIES = {"auxid:2": "depth map", "depth": "depth map", "hdrgainmap": "gain map", "21496:-1": "gain map"}
# Of the shown picture, what else is carried from file to file of the format
_NATIVE = {
    b"clli": "content light level",
    b"mdcv": "mastering display colour volume",
    b"cclv": "content colour volume",
    b"amve": "ambient viewing environment",
    b"reve": "reference viewing environment",
    b"ndwt": "nominal diffuse white",
}
# EXIF's number for a turn to the left in quarters, and a mirror that follows: none, top and bottom, left and right
_TURNS = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))
_TIFF, _BLANK = b"II*\0", b"pellucid"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the container tells of the shown picture.

    Attributes:
        carried: as it is once the picture is upright.
        orientation: EXIF's number for how its pixels are stored.
        size: width and height as stored.
        cropped: a part of them is shown.
        bits: of a sample.
        grey: it is stored without colours.
    """

    carried: Carried
    orientation: int
    size: tuple[int, int]
    cropped: bool
    bits: int
    grey: bool


def brands(head: bytes) -> set[bytes]:
    """What kinds of file it says to be, by its first bytes."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}


def told(source: Source, format: str) -> Told:
    """Read the container's head, and EXIF and XMP wherever they lie."""
    found = Container(source.file)
    shown, coded = found.shown, found.coded()
    width, height = struct.unpack(">II", (shown.values(b"ispe") or coded.values(b"ispe"))[0][4:12])
    refuse_huge(width, height, source.max_pixels)
    bits, grey = _coding(shown, coded)
    about = {item.kind: found.data(item) for item in found.about(b"cdsc")}
    orientation = _orientation(shown)
    xmp = about.get(_XMP)
    colours = shown.values(b"colr")
    aspect = next(iter(shown.values(b"pasp")), None)
    wide, high = struct.unpack(">II", aspect[:8]) if aspect else (1, 1)
    carried = Carried(
        exif=_exif(about.get("Exif", b"")),
        icc=next((payload[4:] for payload in colours if payload[:4] in (b"prof", b"rICC")), None),
        cicp=next((_cicp(payload) for payload in colours if payload[:4] == b"nclx"), None),
        xmp=xmp or None,
        # the other way round: a pixel that is wide stands less densely
        aspect=(high, wide) if wide != high and wide and high else None,
        native=tuple(Native(format, _NATIVE[kind], kind, data) for kind, data in shown.properties if kind in _NATIVE),
        left_out=tuple(dict.fromkeys(left_out(found))),
        format=format,
        bits=bits if bits > 8 else None,
    )
    return Told(
        carried=carried.upright(orientation, (width, height)),
        orientation=orientation,
        size=(width, height),
        cropped=bool(shown.values(b"clap")),
        bits=bits,
        grey=grey,
    )


def widened(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples that reach the top of 16 bits, from ones that libheif put into the upper bits."""
    if bits <= 8:
        return values
    top = 2**bits - 1
    full = np.rint(np.arange(top + 1) * (65535 / top)).astype(np.uint16)
    return full[values >> (16 - bits)]


def narrowed(frame: Frame) -> tuple[NDArray[Any], int]:
    """The nearest values of so many bits as the picture has, at most 12, in the upper ones; and how many these are."""
    values = frame.array()
    if frame.dtype == np.uint8:
        return values, 8
    bits = min(frame.bits or DEEPEST, DEEPEST)
    top = 2**bits - 1
    few = np.rint(np.arange(65536) * (top / 65535)).astype(np.uint16) << (16 - bits)
    return few[values], bits


def finished(frame: Frame, encode: Callable[[bytes | None], bytes], matrix: int = BT601) -> bytes:
    """A file with all that an encoder leaves out or would change.

    Args:
        frame: what is written.
        encode: gives the file with an EXIF.
        matrix: by which it makes luma and chroma of colours; the range is full.
    """
    # Encoders rebuild the EXIF and break its maker notes; so they get one of blanks, to be filled here
    payload = (frame.exif or b"").removeprefix(exif_of.PREFIX)
    blanks = _BLANK * (len(payload) // len(_BLANK) + 1)
    description = struct.pack("<IHHHIII", 8, 1, 0x010E, 2, len(blanks) + 1, 26, 0)
    blank = exif_of.PREFIX + _TIFF + description + blanks + b"\0"
    file = bytearray(encode(blank if payload else None))
    if payload:
        end = file.index(blanks) + len(blanks)
        start = file.rindex(_TIFF, 0, end)
        file[start:end] = payload.ljust(end - start, b"\0")
    properties = [(part.key, part.data) for part in frame.native]
    if frame.cicp is not None:
        numbers = frame.cicp.primaries, frame.cicp.transfer, matrix, 0x80
        properties.append((b"colr", b"nclx" + struct.pack(">HHHB", *numbers)))
    if frame.aspect is not None:
        properties.append((b"pasp", struct.pack(">II", *(round(part) for part in frame.aspect[::-1]))))
    return with_properties(bytes(file), properties) if properties else bytes(file)


def _straight(samples: NDArray[Any]) -> NDArray[Any]:
    """Colours that alpha (last) was multiplied into, without it."""
    top = np.iinfo(samples.dtype).max
    alpha = samples[:, :, -1:].astype(np.float32)
    colours = np.rint(samples[:, :, :-1] * (top / np.maximum(alpha, 1))).clip(0, top).astype(samples.dtype)
    return np.concatenate([colours, samples[:, :, -1:]], axis=2)


def _orientation(shown: Item) -> int:
    quarters = next((payload[0] & 3 for payload in shown.values(b"irot")), 0)
    return _TURNS[quarters][next((payload[0] + 1 & 3 for payload in shown.values(b"imir")), 0)]


def _coding(shown: Item, coded: Item) -> tuple[int, bool]:
    """Bits of a sample, and whether there are no colours."""
    bits, grey = 8, False
    for data in coded.values(b"hvcC"):
        bits, grey = 8 + (data[17] & 7), not data[16] & 3
    for data in coded.values(b"av1C"):
        bits, grey = 8 + 2 * (data[2] >> 6 & 1) + 2 * (data[2] >> 5 & 1), bool(data[2] & 16)
    for data in shown.values(b"pixi") or coded.values(b"pixi"):
        bits = max(data[5 : 5 + data[4]], default=bits)
    return bits, grey


def _exif(data: bytes) -> bytes | None:
    (start,) = struct.unpack_from(">I", data) if len(data) > 4 else (0,)
    return exif_of.PREFIX + data[4 + start :] if data[4 + start :] else None


def _cicp(data: bytes) -> Cicp | None:
    primaries, transfer, matrix = struct.unpack_from(">HHH", data, 4)
    if primaries in _UNTOLD[0] and transfer in _UNTOLD[1]:
        return None
    return Cicp(primaries, transfer, matrix)  # samples are decoded to the full range


def left_out(found: Container) -> Iterator[str]:
    """Names of what is in the file beside the picture that is shown."""
    for item in found.about(b"auxl"):
        name = next((payload[4:].split(b"\0")[0].decode("latin-1") for payload in item.values(b"auxC")), "")
        known = next((known for end, known in _AUXILIARIES.items() if name.endswith(end)), None)
        if known or not name.endswith(("alpha", "auxid:1")):
            yield known or f"auxiliary picture ({name.rsplit(':', 1)[-1]})"
    if any(item.kind == "tmap" for item in found.items.values()):
        yield "gain map"
    used = {number for kind, _, number in found.references if kind == b"dimg"}
    used |= {number for kind, number, _ in found.references if kind in (b"thmb", b"auxl", b"prem")}
    used |= {number for number, item in found.items.items() if item.kind in ("Exif", _XMP)}
    for number, item in found.items.items():
        if number not in used and number != found.primary and not item.hidden and item.kind != "tmap":
            yield "further pictures" if len(item.kind) == 4 and item.values(b"ispe") else f"{item.kind} item"
    if found.has_film:
        yield "animation"
    if _CREDENTIALS in found.extensions:
        yield "content credentials"


def require() -> Any:
    """The library that reads and writes HEIC.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError("HEIC", "heic") from None
    return pillow_heif


def _open(source: Source) -> Picture:
    library = require()
    known = told(source, "HEIF")
    opened = library.open_heif(source.file, convert_hdr_to_8bit=False)
    grey = known.grey or opened.mode.startswith(("L", "I"))
    width, height = opened.size
    refuse_huge(width, height, source.max_pixels)
    shape = (height, width, (1 if grey else 3) + opened.has_alpha)

    def decoded() -> Iterator[NDArray[Any]]:
        with source.path.open("rb") as file:
            samples = np.asarray(library.open_heif(file, convert_hdr_to_8bit=False))
        # grey comes as colour where it has alpha
        samples = widened(samples.reshape(height, width, -1)[:, :, -shape[2] :], known.bits)
        yield _straight(samples) if opened.premultiplied_alpha else samples

    dtype = np.dtype(np.uint16 if known.bits > 8 else np.uint8)
    frame = Frame(samples=Streamed(shape, dtype, decoded), **vars(known.carried))
    return Picture.of(frame, path=source.path if known.orientation == 1 else None)


def _write(picture: Picture, file: IO[bytes], saving: Saving) -> None:
    library, frame = require(), picture.first()
    samples, bits = narrowed(frame)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[2]] + (";16" if bits > 8 else "")
    lossless = saving.compression == "lossless"
    matrix = frame.cicp.matrix if frame.cicp is not None and frame.cicp.matrix in _MATRICES else BT601
    options: dict[str, Any] = {
        "quality": -1 if lossless else saving.quality or DEFAULT_QUALITY,
        "chroma": 444,
        "matrix_coefficients": IDENTITY if lossless else matrix,
    }
    if bits > 8:
        options["bit_depth"] = bits
    options |= {name: value for name, value in (("icc_profile", frame.icc), ("xmp", frame.xmp)) if value}

    def encode(exif: bytes | None) -> bytes:
        encoded, described = BytesIO(), {"exif": exif} if exif else {}
        library.encode(mode, (frame.width, frame.height), samples.tobytes(), encoded, **options, **described)
        return encoded.getvalue()

    file.write(finished(frame, encode, options["matrix_coefficients"]))


FORMAT = Format(
    name="HEIF",
    suffixes=(".heic", ".heif", ".hif"),
    begins=lambda head, _: not brands(head).isdisjoint(_BRANDS),
    depths=(8, 10, 12),
    alpha=True,
    carried=frozenset({"exif", "icc", "cicp", "xmp"}),
    units=("none",),
    longest_side=LONGEST_SIDE,
    open=_open,
    write=_write,
    require=require,
    lossy=True,
    compressions=("lossless",),
)
