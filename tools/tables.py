"""The tables in documents that are made of rows in the code, so that neither is without the other.

python -m tools.tables            prints them
python -m tools.tables --write    puts them in their places: between two lines that name them
"""

import sys
from pathlib import Path

from pellucid.benchmark.registry import BENCHMARKS, Benchmark
from pellucid.degrade import DEGRADATIONS, Kind
from pellucid.imaging.formats import FORMATS, Format
from pellucid.zoo import TASKS, ModelInfo, list_models

ROOT = Path(__file__).parents[1]
EXTRAS = {"HEIF": "heic", "RAW": "raw"}
FORMAT_COLUMNS = (
    "format", "endings", "bits", "grey", "alpha", "EXIF", "ICC", "cICP, nclx", "XMP", "IPTC", "texts", "resolution",
    "pictures", "compression", "read as RGB", "longest side",
)  # fmt: skip


def _format_row(format: Format) -> tuple[str, ...]:
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


def _model_row(model: ModelInfo) -> tuple[str, ...]:
    scores = [f"{model.inputs[name]:.2f} → **{score:.2f}**" for name, score in model.scores.items()]
    card = f"[`{model.name}`]({model.path.with_suffix('.md').relative_to(ROOT)})"
    return card, TASKS[model.task].title, " · ".join(model.scores), " · ".join(scores)


def _degradation_row(name: str, kind: Kind) -> tuple[str, ...]:
    values = {"level": ", ".join((*kind.levels, "any")), "sigma": "σ", "quality": "quality", None: "(a decoy)"}
    families = [f"*{family}*" if family == kind.unseen else family for family in kind.families]
    return f"`{name}`", kind.title, values[kind.option], ", ".join(families)


def _benchmark_row(benchmark: Benchmark) -> tuple[str, ...]:
    pictures = f"{'any' if benchmark.count is None else benchmark.count}, {benchmark.layout}"
    tiles = {None: "", "off": "whole"}.get(benchmark.tile, f"{benchmark.tile}, overlap {benchmark.overlap}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    protocol = f"`{benchmark.protocol}`{'' if benchmark.ssim else ', PSNR only'}"
    published = ", ".join(dict.fromkeys(row.model for row in benchmark.published))
    if benchmark.refusal(benchmark.protocol):
        published += ": not comparable, see below"
    return f"`{benchmark.id}`", benchmark.title, pictures, protocol, tiles, published


TABLES = {  # document → name of a table → its rows, of which the first are the heads
    "README.md": {
        "models": (
            ("model, with its card", "restores", "tested on", "PSNR in dB, before → after"),
            *map(_model_row, list_models()),
        )
    },
    "docs/formats.md": {"formats": (FORMAT_COLUMNS, *map(_format_row, FORMATS))},
    "docs/degradations.md": {
        "degradations": (
            ("name", "what", "level", "families, and *the unseen one*"),
            *(_degradation_row(name, kind) for name, kind in DEGRADATIONS.items()),
        )
    },
    "docs/benchmarks.md": {
        "benchmarks": (
            ("benchmark", "what", "pictures", "protocol", "tiles", "published"),
            *map(_benchmark_row, BENCHMARKS),
        )
    },
}


def placed(document: str, tables: dict[str, tuple[tuple[str, ...], ...]]) -> str:
    """The text of a document with the tables in their places."""
    for name, rows in tables.items():
        begin, end = f"<!-- {name}: python -m tools.tables --write -->\n", f"\n<!-- end of {name} -->\n"
        before, rest = document.split(begin)
        document = before + begin + _markdown(rows) + end + rest.split(end)[1]
    return document


def _markdown(rows: tuple[tuple[str, ...], ...]) -> str:
    lines = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for name, tables in TABLES.items():
        if sys.argv[1:] == ["--write"]:
            document = ROOT / name
            document.write_text(placed(document.read_text(), tables))
        else:
            sys.stdout.write("\n".join(map(_markdown, tables.values())))
