"""Scores of single pictures on disk, so that a run which is cut short goes on where it was."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one picture scored, before and after.

    Attributes:
        image: its name in the benchmark.
        digest: hash of its files.
        input_psnr, psnr: in dB, of the input and of the output against the target; infinite if equal.
        input_ssim, ssim: likewise; None where SSIM is not given.
        pixels: of the picture.
        seconds: in the network, blending of tiles included; without reading and scoring.
        peak_bytes: the most memory until then: of the whole process, resident; on a GPU what PyTorch allocated.
    """

    image: str
    digest: str
    input_psnr: float
    input_ssim: float | None
    psnr: float
    ssim: float | None
    pixels: int
    seconds: float
    peak_bytes: int


class Record:
    """Scores of one run's pictures in a file of JSON lines, which begins with the run's settings.

    Each score is written as it is known; a line that was cut short is passed over.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self._path = path
        self._settings = settings
        self._known = {(score.image, score.digest): score for score in self._read()}

    def find(self, image: str, digest: str) -> Score | None:
        """The score of a picture, if it is known."""
        return self._known.get((image, digest))

    def add(self, score: Score) -> None:
        """Keep a score."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            lines = [asdict(score)] if file.tell() else [{"settings": self._settings}, asdict(score)]
            # a killed run may have left half a line
            separator = "" if self._path.read_bytes()[-1:] in (b"", b"\n") else "\n"
            file.write((separator + "".join(json.dumps(line) + "\n" for line in lines)).encode())
        self._known[score.image, score.digest] = score

    def _read(self) -> list[Score]:
        if not self._path.exists():
            return []
        lines = (_parsed(line) for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines())
        return [Score(**line) for line in lines if "image" in line]


def _parsed(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return {}
