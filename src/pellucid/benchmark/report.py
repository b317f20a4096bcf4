"""A page that shows a benchmark: one HTML file and a folder of pictures, to be opened from disk."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid import __version__
from pellucid.atomic import replacing
from pellucid.benchmark.run import Result, Subject, Trial, first_view
from pellucid.errors import ConfigError
from pellucid.imaging import Photo, to_depth

CASES = 2  # shown of the worst pictures, and of those in the middle
LONGEST_SIDE = 960  # of a picture in the gallery, which shows the middle of larger ones

_TEMPLATE = "report.html"
_DATA = "/* data */ null"
_GENERATOR = '<meta name="generator" content="pellucid benchmark">'


def write_report(results: Sequence[Result], folder: Path) -> Path:
    """Write ``index.html`` and ``images/`` into a folder, which is made if need be; an older report is replaced.

    The page needs no network and no server. Pictures of the gallery that are not on disk yet are restored again.

    Args:
        results: at least one, all of one subject.

    Returns:
        The page.

    Raises:
        ConfigError: the folder has an ``index.html`` that is no report.
    """
    page = folder / "index.html"
    check_replaceable(page)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    data = {
        "version": __version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "subject": _describe(results[0].trial.subject),
        "results": [_section(result, folder, number) for number, result in enumerate(results)],
    }
    template = files("pellucid.benchmark").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    with replacing(page) as temporary:
        temporary.write_text(template.replace(_DATA, _script_safe(data)), encoding="utf-8")
    return page


def check_replaceable(page: Path) -> None:
    """Make sure that a page may be written.

    Raises:
        ConfigError: there is one that pellucid did not write.
    """
    if page.exists() and _GENERATOR not in page.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(f"{page}: exists and is no report of pellucid; choose another folder")


def _describe(subject: Subject) -> dict[str, Any]:
    restorer = subject.restorer
    own = restorer.options.tile
    tile = f"as the papers' where known, else {own}" if subject.paper_tiles else str(own)
    return {
        "model": subject.name,
        "facts": {
            "weights": subject.digest,
            "parameters": f"{subject.parameters / 1e6:.2f} M",
            "GMACs at 256²": f"{subject.gmacs:.2f}",
            "machine": _machine(subject.device),
            "precision": restorer.options.precision,
            "tiles": tile,
            "self-ensemble": "×8" if subject.self_ensemble else "no",
        },
    }


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}"
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' * (threads > 1)}, PyTorch {torch.__version__}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no such file outside Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _section(result: Result, folder: Path, number: int) -> dict[str, Any]:
    trial = result.trial
    return result.to_dict() | {
        "heading": trial.benchmark.title,
        "note": trial.benchmark.note,
        "refusal": trial.benchmark.refusal(trial.scored_under),
        "scores": [asdict(score) for score in sorted(result.scores, key=lambda score: score.psnr)],
        "cases": [_case(result, place, kind, folder, f"{number}-{place}") for kind, place in _chosen(result)],
    }


def _chosen(result: Result) -> list[tuple[str, int]]:
    """The places, in the order of the pictures, of the worst ones and of those in the middle by PSNR."""
    order = [int(place) for place in np.argsort([score.psnr for score in result.scores], kind="stable")]
    worst = order[:CASES]
    middle = max((len(order) - CASES) // 2, CASES)
    return [("worst", place) for place in worst] + [("median", place) for place in order[middle : middle + CASES]]


def _case(result: Result, place: int, kind: str, folder: Path, name: str) -> dict[str, Any]:
    trial, score = result.trial, result.scores[place]
    pictures = _pictures(trial, place)
    cropped = {role: _middle(picture) for role, picture in pictures.items()}
    for role, picture in cropped.items():
        Photo(pixels=picture).save(folder / "images" / f"{name}-{role}.png")
    height, width = cropped["target"].shape[:2]
    return {
        "kind": kind,
        "image": score.image,
        "input_psnr": score.input_psnr,
        "psnr": score.psnr,
        "width": width,
        "height": height,
        "cropped": cropped["target"].shape != pictures["target"].shape,
        "files": {role: f"images/{name}-{role}.png" for role in cropped},
    }


def _pictures(trial: Trial, place: int) -> dict[str, NDArray[np.uint8]]:
    sample = trial.samples[place]
    given, target = sample.load()
    return {
        "input": to_depth(first_view(given), np.uint8),
        "output": trial.restored(sample),
        "target": to_depth(target, np.uint8),
    }


def _middle(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (max(size - LONGEST_SIDE, 0) // 2 for size in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + LONGEST_SIDE, left : left + LONGEST_SIDE])


def _script_safe(data: Any) -> str:
    """JSON that may stand in a script element, whatever pictures are called."""
    return json.dumps(_finite(data)).replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    """Infinite numbers (the PSNR of equal pictures) as null: JSON has none."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
