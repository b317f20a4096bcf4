"""The table in docs/formats.md, from what the formats declare.

python -m tools.formats_table            prints it
python -m tools.formats_table --write    puts it in its place
"""

import sys
from pathlib import Path

from pellucid.imaging.formats import FORMATS, Format

DOCUMENT = Path(__file__).parents[1] / "docs" / "formats.md"
BEGIN, END = "<!-- python -m tools.formats_table --write -->\n", "\n<!-- end of the table -->\n"
EXTRAS = {"HEIF": "heic", "RAW": "raw"}
COLUMNS = (
    "format", "endings", "bits", "grey", "alpha", "EXIF", "ICC", "cICP, nclx", "XMP", "IPTC", "texts", "resolution",
    "pictures", "compression", "read as RGB", "longest side",
)  # fmt: skip


def table() -> str:
    """All formats, in Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_row, FORMATS)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(format: Format) -> tuple[str, ...]:
    extra = f" (`pellucid[{EXTRAS[format.name]}]`)" if format.name in EXTRAS else ""
    carried = [_carried(format, name) for name in ("exif", "icc", "cicp", "xmp", "iptc")]
    texts = ("comments" if format.comments_only else "all") if "text" in format.carried else ""
    side = f"{format.longest_side}" if format.longest_side < 2**31 - 1 else ""
    alpha = ("yes" if format.half_transparent else "all or nothing") if format.alpha else ""
    packed = [*(["quality 1 to 100"] if format.lossy else []), *format.compressions]
    return (
        f"{format.name}{extra}",
        _endings(format),
        ", ".join("32 (floats)" if bits == 32 else str(bits) for bits in format.depths),
        "yes" if format.grey else "as RGB",
        alpha,
        *carried,
        texts,
        ", ".join("aspect ratio" if unit == "none" else unit for unit in format.units),
        {"one": "one", "animation": "frames with timing", "pages": "pages"}[format.frames],
        ", ".join(packed),
        ", ".join(format.models),
        side,
    )


def _endings(format: Format) -> str:
    written, only_read = format.written, [suffix for suffix in format.suffixes if suffix not in format.written]
    return (
        " ".join(written)
        + ("; " if written and only_read else "")
        + (f"only read: {' '.join(only_read)}" if only_read else "")
    )


def _carried(format: Format, name: str) -> str:
    if name not in format.carried:
        return ""
    longest = format.longest.get(name)
    return "yes" if longest is None else f"to {longest} bytes"


def placed(document: str) -> str:
    """The document with the table in its place."""
    before, rest = document.split(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(placed(DOCUMENT.read_text()))
    else:
        sys.stdout.write(table())
