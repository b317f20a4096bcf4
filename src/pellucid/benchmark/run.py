"""Running a network on a benchmark, picture by picture, so that nothing is computed twice."""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid import __version__
from pellucid.benchmark.ensemble import self_ensemble
from pellucid.benchmark.record import Record, Score
from pellucid.benchmark.registry import GAUSSIAN, PAIRS, Benchmark
from pellucid.benchmark.samples import Sample, find_samples
from pellucid.imaging import Photo, read_photo, to_depth
from pellucid.inference import Restorer
from pellucid.inference.identity import identity
from pellucid.metrics import psnr, ssim
from pellucid.models.cost import count_macs, count_parameters

MEGA = 1e6


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tested: a network, and how it is run.

    Attributes:
        name: of the weights, for tables.
        restorer: runs the network.
        paper_tiles: tiles as each benchmark's paper had them, where it says; otherwise the restorer's own.
        self_ensemble: restore each picture in its eight symmetries and take the mean.
    """

    name: str
    restorer: Restorer
    paper_tiles: bool = True
    self_ensemble: bool = False

    @cached_property
    def digest(self) -> str:
        """A hash of configuration and weights, the same for every file that holds them."""
        return identity(self._network)[:12]

    @cached_property
    def parameters(self) -> int:
        """Number of learned scalars."""
        return count_parameters(self._network)

    @cached_property
    def gmacs(self) -> float:
        """Billions of multiply-adds for 256x256 pixels, all passes of a self-ensemble included."""
        return count_macs(self._network.config, 256, 256) / 1e9 * (8 if self.self_ensemble else 1)

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return next((tensor.device for tensor in self._network.state_dict().values()), torch.device("cpu"))

    @property
    def _network(self) -> Any:
        return self.restorer.network

    def restorer_for(self, benchmark: Benchmark) -> Restorer:
        """The restorer, with the tiles of the benchmark's paper if they are wanted and known."""
        if self.paper_tiles and benchmark.tile is not None:
            options = self.restorer.options.but(tile=benchmark.tile, overlap=benchmark.overlap)
            return Restorer(self.restorer.network, options)
        return self.restorer


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A network on one benchmark, at one noise level: a row of a table.

    Attributes:
        subject: what is tested.
        benchmark: on what.
        folder: where its pictures are.
        sigma: of Gaussian noise, on the scale of 0-255; None for pairs.
        protocol: of PSNR and SSIM; the benchmark's if None.
        out: folder for scores of single pictures; what is found there is not computed again.
    """

    subject: Subject
    benchmark: Benchmark
    folder: Path
    sigma: float | None = None
    protocol: str | None = None
    out: Path

    @property
    def scored_under(self) -> str:
        """The protocol of PSNR and SSIM."""
        return self.protocol or self.benchmark.protocol

    @property
    def title(self) -> str:
        """Names the row: the benchmark, or the folder where it is no paper's."""
        return self._name if self.sigma is None else f"{self._name} σ{self.sigma:g}"

    @cached_property
    def samples(self) -> list[Sample]:
        """The pictures.

        Raises:
            ConfigError: they are not what the benchmark says.
        """
        return find_samples(self.benchmark, self.folder, self.sigma)

    def scores(self) -> Iterator[Score]:
        """Score each picture in order; those that were scored before are read from disk.

        Raises:
            ImageError: a picture that cannot be read, or not be scored under the protocol.
            RestoreError: the network fails.
        """
        record = Record(self.out / f"{self._run}.jsonl", self._settings)
        for sample in self.samples:
            digest = sample.digest()
            score = record.find(sample.name, digest)
            if score is None:
                score = self._measure(sample, digest)
                record.add(score)
            yield score

    def restored(self, sample: Sample) -> NDArray[np.uint8]:
        """What the network makes of a picture, at 8 bits; kept as PNG beside the scores."""
        path = self.out / self._run / f"{sample.digest()}.png"
        if path.exists():
            return read_photo(path).pixels
        output = to_depth(self._restore(sample.load()[0]), np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Photo(pixels=output).save(path)
        return output

    def _measure(self, sample: Sample, digest: str) -> Score:
        given, target = sample.load()
        started = time.perf_counter()
        restored = self._restore(given)
        seconds = time.perf_counter() - started
        before = self._compare(to_depth(first_view(given), target.dtype), target)
        after = self._compare(to_depth(restored, target.dtype), target)
        return Score(
            image=sample.name,
            digest=digest,
            input_psnr=before[0],
            input_ssim=before[1],
            psnr=after[0],
            ssim=after[1],
            pixels=target.shape[0] * target.shape[1],
            seconds=seconds,
            peak_bytes=_peak_bytes(self.subject.device),
        )

    def _restore(self, given: NDArray[Any]) -> NDArray[Any]:
        restorer = self.subject.restorer_for(self.benchmark)
        if self.subject.self_ensemble:
            return self_ensemble(restorer.restore_array, given)
        return restorer.restore_array(given)

    def _compare(self, picture: NDArray[Any], target: NDArray[Any]) -> tuple[float, float | None]:
        similarity = ssim(picture, target, self.scored_under) if self.benchmark.ssim else None
        return psnr(picture, target, self.scored_under), similarity

    @cached_property
    def _settings(self) -> dict[str, Any]:
        """All that a score depends on, but the picture."""
        restorer = self.subject.restorer_for(self.benchmark)
        return {
            "pellucid": __version__,
            "model": self.subject.digest,
            "benchmark": self.benchmark.id,
            "sigma": self.sigma,
            "degrade": {name: dict(options) for name, options in self.benchmark.degrade.items()},
            "channels": self.benchmark.channels,
            "protocol": self.scored_under,
            "tile": restorer.options.tile,
            "overlap": restorer.options.overlap,
            "working_side": restorer.working_side,
            "detector": restorer.detector.digest if restorer.detector and restorer.options.keep_clean else None,
            "precision": restorer.options.precision,
            "device": self.subject.device.type,
            "self_ensemble": self.subject.self_ensemble,
        }

    @property
    def _run(self) -> str:
        """Name of this run's files: of one folder, model and way of testing."""
        settings = hashlib.sha256(json.dumps(self._settings).encode()).hexdigest()[:12]
        return f"{self._name}-{settings}"

    @property
    def _name(self) -> str:
        return self.folder.resolve().name if self.benchmark.id in (GAUSSIAN.id, PAIRS.id) else self.benchmark.id


@dataclass(frozen=True, kw_only=True)
class Result:
    """The means over a benchmark's pictures; PSNR in dB, SSIM None where it is not given."""

    trial: Trial
    scores: Sequence[Score]

    @property
    def input_psnr(self) -> float:
        """Of the untouched inputs."""
        return float(np.mean([score.input_psnr for score in self.scores]))

    @property
    def psnr(self) -> float:
        """Of the outputs."""
        return float(np.mean([score.psnr for score in self.scores]))

    @property
    def input_ssim(self) -> float | None:
        """Of the untouched inputs."""
        return _mean([score.input_ssim for score in self.scores])

    @property
    def ssim(self) -> float | None:
        """Of the outputs."""
        return _mean([score.ssim for score in self.scores])

    @property
    def seconds_per_megapixel(self) -> float:
        """In the network."""
        return sum(score.seconds for score in self.scores) / (sum(score.pixels for score in self.scores) / MEGA)

    @property
    def peak_bytes(self) -> int:
        """The most memory that the process, or PyTorch on a GPU, held."""
        return max(score.peak_bytes for score in self.scores)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and CSV, without the single pictures."""
        trial = self.trial
        comparable = trial.benchmark.comparable(protocol=trial.scored_under, sigma=trial.sigma)
        return {
            "title": trial.title,
            "benchmark": trial.benchmark.id,
            "folder": str(trial.folder),
            "sigma": trial.sigma,
            "protocol": trial.scored_under,
            "images": len(self.scores),
            "input_psnr": self.input_psnr,
            "input_ssim": self.input_ssim,
            "psnr": self.psnr,
            "ssim": self.ssim,
            "model": trial.subject.name,
            "model_hash": trial.subject.digest,
            "parameters": trial.subject.parameters,
            "gmacs_256": trial.subject.gmacs,
            "self_ensemble": trial.subject.self_ensemble,
            "seconds_per_megapixel": self.seconds_per_megapixel,
            "peak_bytes": self.peak_bytes,
            "published": [asdict(row) for row in comparable],
        }


def first_view(given: NDArray[Any]) -> NDArray[Any]:
    """The input as one picture: of two views, which have 2 or 6 channels together, the left one."""
    channels = given.shape[2]
    return given[:, :, : channels // 2] if channels in (2, 6) else given


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0  # which keeps no such count within Python's reach
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
