"""For every format that is written and every thing that a picture carries: it is there, by a reader that is none of
ours, or a warning names it, and never both. What is there is read again by ours.

More than 300 lines: each thing that is carried needs a way to read it that is not ours.
"""

import json
import logging
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pellucid.errors import ImageError, MissingExtraError
from pellucid.imaging import Frame, Photo, Picture, Timing, open_picture, read_photo, write_picture
from pellucid.imaging.carried import Cicp, Native, Text
from pellucid.imaging.formats import FORMATS, Format

from conftest import linear_profile

pytestmark = [
    pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed"),
    pytest.mark.skipif(not shutil.which("identify"), reason="ImageMagick is not installed"),
]

WRITTEN = [format for format in FORMATS if format.write is not None]
HEIGHT, WIDTH = 24, 32
LONG = "Wörter " * 20_000  # more than a segment of a JPEG
IPTC = b"\x1c\x01\x5a\x00\x03\x1b%G" + b"\x1c\x02\x69" + struct.pack(">H", 7) + "Müller".encode()
MODIFIED = 915_246_000_000_000_000
# what only files of a format hold: its key and data
NATIVE = {
    "JPEG": (b"\xec", b"Ducky\0"),
    "PNG": (b"tIME", bytes((7, 207, 12, 31, 23, 59, 59))),
    "TIFF": (struct.pack("<HH", 50838, 2), b"oddity\0"),
    "WEBP": (b"ODDI", b"oddity"),
    "GIF": (b"\xff", b"\x0bODDITYODD1.\x06oddity\0"),
    "AVIF": (b"clli", struct.pack(">HH", 1000, 400)),
    "HEIF": (b"clli", struct.pack(">HH", 1000, 400)),
}


def exif() -> bytes:
    made = Image.Exif()
    made[0x013B] = "Ansel"
    made.get_ifd(0x8769)[0x9003] = "1999:12:31 23:59:59"
    made.get_ifd(0x8825)[1], made.get_ifd(0x8825)[2] = "N", (48.0, 8.0, 0.0)
    return made.tobytes()


def xmp(headline: str) -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"><photoshop:Headline>'
        f"{headline}</photoshop:Headline></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def samples(bands: int = 3, dtype: str = "float64") -> NDArray[Any]:
    """Smooth, so that lossy formats hardly change it; alpha, if any, of all degrees."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    planes = np.dstack([x / WIDTH, y / HEIGHT, 1 - x / WIDTH, (x + y) / (HEIGHT + WIDTH - 2)])
    chosen = planes[:, :, {1: [0], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[bands]]
    if np.dtype(dtype).kind == "f":
        return chosen.astype(dtype)
    return (chosen * np.iinfo(dtype).max).round().astype(dtype)


@cache
def tags(path: Path) -> Mapping[str, Any]:
    """What exiftool finds, by group and name."""
    command = ["exiftool", "-json", "-G1", "-n", str(path)]
    (found,) = json.loads(subprocess.run(command, capture_output=True).stdout)
    return found


def tag(*names: str) -> Callable[[Path], Any]:
    """The first of some tags that a file has."""

    def find(path: Path) -> Any:
        found = tags(path)
        return next((found[name] for name in names if name in found), None)

    return find


def identified(path: Path, what: str) -> list[str]:
    """What ImageMagick says of the first frame."""
    command = ["identify", "-quiet", "-format", f"{what}\n", f"{path}[0]"]
    return subprocess.run(command, capture_output=True, text=True).stdout.split()


def profile(path: Path) -> bytes | None:
    if path.suffix in (".bmp", ".gif"):  # exiftool does not look there, and it lies there in one piece
        return linear_profile() if linear_profile() in path.read_bytes() else None
    return subprocess.run(["exiftool", "-b", "-icc_profile", str(path)], capture_output=True).stdout or None


def colours_by_number(path: Path) -> tuple[int, int] | None:
    """The numbers of PNG's cICP or of an nclx box, which stand behind their names."""
    data = path.read_bytes()
    for name, layout in ((b"cICP", ">BB"), (b"colrnclx", ">HH")):
        if name in data:
            return struct.unpack_from(layout, data, data.index(name) + len(name))
    return None


def comment(path: Path) -> str | None:
    if path.suffix in (".ppm", ".pam"):
        lines = path.read_bytes()[:1000].decode(errors="replace").split("\n")
        return next((line.removeprefix("#").strip() for line in lines if line.startswith("#")), None)
    return tag("File:Comment", "PNG:Comment", "GIF:Comment")(path)


def resolution(path: Path) -> tuple[int, int] | None:
    """Dots per inch as ImageMagick understands them."""
    across, down, unit = identified(path, "%x %y %U")
    factor = {"PixelsPerInch": 1, "PixelsPerCentimeter": 2.54}.get(unit)
    return None if factor is None else (round(float(across) * factor), round(float(down) * factor))


def aspect(path: Path) -> float | None:
    """Dots across by dots down, where a file tells nothing else of its resolution."""
    data, found = path.read_bytes(), tags(path)
    if b"pasp" in data:
        width, height = struct.unpack_from(">II", data, data.index(b"pasp") + 4)
        return height / width
    for group, unit, none in (
        ("JFIF:", "JFIF:ResolutionUnit", 0),
        ("IFD0:", "IFD0:ResolutionUnit", 1),
        ("PNG-pHYs:", "PNG-pHYs:PixelUnits", 0),
    ):
        names = ("XResolution", "YResolution") if group != "PNG-pHYs:" else ("PixelsPerUnitX", "PixelsPerUnitY")
        if found.get(unit) == none and f"{group}{names[0]}" in found:
            return found[f"{group}{names[0]}"] / found[f"{group}{names[1]}"]
    return None


def seen(path: Path, mode: str) -> NDArray[np.float64]:
    """Samples in [0, 1] as another program decodes them: ImageMagick, tifffile, Pillow or pillow-heif."""
    if path.suffix == ".tif":
        stored = pytest.importorskip("tifffile").imread(path)
        return stored.astype(np.float64) / (np.iinfo(stored.dtype).max if stored.dtype.kind == "u" else 1)
    if path.suffix in (".avif", ".heic"):
        if path.suffix == ".heic":
            pytest.importorskip("pillow_heif").register_heif_opener()
        return np.asarray(Image.open(path).convert(mode)) / 255
    command = ["convert", "-quiet", f"{path}[0]", "-depth", "16", f"{mode.lower()}:-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, "<u2").reshape(HEIGHT, WIDTH, len(mode)) / 65535


def bits(path: Path) -> int | None:
    """Of a sample, as AVIF and HEIC say it; of other formats, how many of 16 are right."""
    data = path.read_bytes()
    if b"pixi" in data:
        return data[data.index(b"pixi") + 9]
    error = np.abs(seen(path, "RGB") - samples()).max()
    return 32 if error < 1e-7 else 16 if error < 1e-4 else 8


def greyness(path: Path) -> float:
    """How far from equal its colours are, or from what they were."""
    found = seen(path, "RGB").reshape(HEIGHT, WIDTH, -1)
    return float(np.abs(found - samples(1)).max())


@dataclass(frozen=True)
class Thing:
    """What a picture may carry.

    Attributes:
        given: fields of a photo that has it.
        found: looks for it in a file.
        right: what is to be found, or a judge of it.
        named: by which the warning names it where it is lost, or either of several.
        again: of a frame that was read, as of the one that was written.
    """

    given: Mapping[str, Any]
    found: Callable[[Path], Any]
    right: Any
    named: str | tuple[str, ...]
    again: Callable[[Frame], Any] = lambda frame: None
    pixels: NDArray[Any] = field(default_factory=lambda: samples(3, "uint8"))

    def photo(self) -> Photo:
        alpha = self.pixels[:, :, 3] if self.pixels.shape[2] == 4 else None
        return Photo(pixels=self.pixels[:, :, :3], alpha=alpha, **self.given)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.named,) if isinstance(self.named, str) else self.named

    def is_in(self, path: Path) -> bool:
        found = self.found(path)
        return bool(self.right(found)) if callable(self.right) else found == self.right


THINGS = {
    "exif": Thing(
        {"exif": exif()},
        lambda path: [tags(path).get(name) for name in ("IFD0:Artist", "ExifIFD:DateTimeOriginal", "GPS:GPSLatitude")],
        lambda found: found[:2] == ["Ansel", "1999:12:31 23:59:59"] and abs((found[2] or 0) - 48.1333) < 1e-3,
        "exif",
        lambda frame: frame.exif is not None and b"Ansel" in frame.exif,
    ),
    "profile": Thing({"icc": linear_profile()}, profile, linear_profile(), "icc", lambda frame: frame.icc),
    "colours by number": Thing(
        {"cicp": Cicp(9, 16)}, colours_by_number, (9, 16), "cicp", lambda frame: frame.cicp and frame.cicp.transfer
    ),
    "xmp": Thing(
        {"xmp": xmp("Grüße")}, tag("XMP-photoshop:Headline"), "Grüße", "xmp", lambda frame: "Grüße" in _text(frame.xmp)
    ),
    "long xmp": Thing(
        {"xmp": xmp(LONG)},
        tag("XMP-photoshop:Headline"),
        lambda found: str(found).strip() == LONG.strip(),
        "xmp",
        lambda frame: LONG in _text(frame.xmp),
    ),
    "iptc": Thing({"iptc": IPTC}, tag("IPTC:Headline"), "Müller", "iptc", lambda frame: frame.iptc),
    "comment": Thing(
        {"text": (Text("Comment", "Größe"),)}, comment, "Größe", "text (Comment)", lambda frame: frame.text
    ),
    "text": Thing(
        {"text": (Text("Title", "naïve"), Text("Author", "北斎"))},
        lambda path: (tag("PNG:Title")(path), tag("PNG:Author")(path)),
        ("naïve", "北斎"),
        "text (Title, Author)",
        lambda frame: frame.text,
    ),
    "dots per inch": Thing({"dpi": (300, 150)}, resolution, (300, 150), "dpi", lambda frame: frame.dpi),
    # of two units, a format may have one; the distance is the same
    "dots per centimetre": Thing(
        {"dpi": (254, 254), "unit": "cm"}, resolution, (254, 254), "dpi", lambda frame: frame.dpi
    ),
    "aspect ratio": Thing({"aspect": (2, 1)}, aspect, 2, "aspect ratio", lambda frame: frame.aspect),
    "transparency": Thing(
        {},
        lambda path: float(np.abs(seen(path, "RGBA")[:, :, 3:] - samples(4)[:, :, 3:]).max(initial=0)),
        lambda error: error < 0.02,
        ("alpha", "half transparent"),
        lambda frame: frame.has_alpha,
        samples(4, "uint8"),
    ),
    "grey": Thing({}, greyness, lambda error: error < 0.02, "grey", pixels=samples(1, "uint8")),
    "12 bits": Thing({"bits": 12}, bits, lambda found: found >= 12, "12-bit", pixels=samples(3, "uint16")),
    "16 bits": Thing({}, bits, lambda found: found >= 16, "16-bit", pixels=samples(3, "uint16")),
    "floats": Thing({}, bits, 32, "float", lambda frame: frame.dtype, samples(3, "float32")),
    "white": Thing(
        {"white": 255.0},
        lambda path: None,
        lambda _found: False,
        "white",
        pixels=255 * samples(3, "float32"),
    ),
    "no data": Thing(
        {"no_data": -9999.0}, lambda path: None, lambda _found: False, "no-data", pixels=samples(3, "float32")
    ),
    "gain map": Thing({"left_out": ("gain map",)}, lambda path: None, "a gain map", "gain map"),
} | {
    f"what only {name} holds": Thing(
        {"native": (Native(name, "oddity", *part),)},
        lambda path, name=name, part=part: (
            name if part[1].strip(b"\0") in path.read_bytes() and path.suffix in _suffixes(name) else None
        ),
        name,
        "oddity",
        lambda frame, part=part: [native.data for native in frame.native if native.key == part[0]],
    )
    for name, part in NATIVE.items()
}


def _suffixes(name: str) -> tuple[str, ...]:
    return next(format.suffixes for format in WRITTEN if format.name == name)


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def write(
    picture: Picture, format: Format, folder: Path, caplog: pytest.LogCaptureFixture, name: str = "a"
) -> tuple[Path, str]:
    """A file, and the warnings about it."""
    try:
        format.require()
    except MissingExtraError as error:
        pytest.skip(str(error))
    path = folder / f"{name}{format.written[0]}"
    caplog.clear()
    with caplog.at_level(logging.WARNING, "pellucid"):
        write_picture(picture, path)
    return path, " ".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
@pytest.mark.parametrize("name", THINGS)
def test_what_is_carried_is_there_or_its_loss_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, format: Format
) -> None:
    thing = THINGS[name]
    path, warnings = write(Picture.of(thing.photo()), format, tmp_path, caplog)
    is_in, is_told = thing.is_in(path), any(name in warnings for name in thing.names)
    assert is_in != is_told, f"found {str(thing.found(path))[:100]}; told: {warnings}"
    if is_in:
        assert thing.again(read_photo(path)) == thing.again(thing.photo())


@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
def test_a_date_is_given_to_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture, format: Format) -> None:
    picture = replace(Picture.of(THINGS["grey"].photo()), modified=MODIFIED)
    path, _ = write(picture, format, tmp_path, caplog)
    assert path.stat().st_mtime_ns == MODIFIED == open_picture(path).modified


EVERYWHERE = ("exif", "profile", "xmp", "iptc", "comment", "dots per inch", "transparency")


@pytest.mark.parametrize("target", WRITTEN, ids=lambda format: format.name)
@pytest.mark.parametrize("source", WRITTEN, ids=lambda format: format.name)
def test_what_a_file_carries_is_in_its_copy_of_another_format_or_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, source: Format, target: Format
) -> None:
    given = {name: value for thing in EVERYWHERE for name, value in THINGS[thing].given.items()}
    photo = replace(THINGS["transparency"].photo(), **given)
    first, _ = write(Picture.of(photo), source, tmp_path, caplog, "source")
    held = [name for name in EVERYWHERE if THINGS[name].is_in(first)]
    path, warnings = write(open_picture(first), target, tmp_path, caplog, "target")
    for name in held:
        thing = THINGS[name]
        is_told = any(word in warnings for word in thing.names)
        assert thing.is_in(path) != is_told, f"{name}: found {str(thing.found(path))[:100]}; told: {warnings}"


@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
def test_frames_have_their_timing_or_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, format: Format
) -> None:
    frames = [Photo(pixels=np.full((8, 8, 3), 60 * number, np.uint8)) for number in range(3)]
    picture = replace(Picture.of(*frames), timing=Timing(durations=(100, 250, 70), plays=3))
    if format.frames != "animation":
        with pytest.raises(ImageError, match=r"holds one picture|no timing"):
            write(picture, format, tmp_path, caplog)
        return
    path, warnings = write(picture, format, tmp_path, caplog)
    with Image.open(path) as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(image.info["duration"])
    assert durations == [100, 250, 70]
    plays = tag("PNG:AnimationPlays", "RIFF:AnimationLoopCount", "GIF:AnimationIterations")(path)
    assert int(plays) == (2 if format.name == "GIF" else 3)  # which counts repetitions
    assert not warnings
    assert open_picture(path).timing == picture.timing


@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
def test_pages_are_all_there_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture, format: Format) -> None:
    pages = [Photo(pixels=samples(3, dtype)[: 4 + number]) for number, dtype in enumerate(("uint8", "uint16", "uint8"))]
    if format.frames != "pages":
        with pytest.raises(ImageError, match=r"holds one picture|fit into a TIFF only"):
            write(Picture.of(*pages), format, tmp_path, caplog)
        return
    path, _ = write(Picture.of(*pages), format, tmp_path, caplog)
    with pytest.importorskip("tifffile").TiffFile(path) as file:
        stored = [page.asarray() for page in file.pages]
    assert all(np.array_equal(page.pixels, found) for page, found in zip(pages, stored, strict=True))
