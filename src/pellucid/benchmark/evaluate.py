"""Scores of pictures that exist against their targets: a folder of results, from whatever program."""

import csv
import io
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.data.layouts import match_names
from pellucid.errors import ConfigError, ImageError, did_you_mean
from pellucid.imaging import Photo, find_pictures, read_photo
from pellucid.metrics import load_pristine, niqe, niqe_pellucid, psnr, ssim
from pellucid.metrics.protocols import check_protocol

METRICS = ("psnr", "ssim", "niqe", "niqe-pellucid")
LOWER_IS_BETTER = ("niqe", "niqe-pellucid")
NAMED = 3  # pictures in an error message

_Score = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True, kw_only=True)
class EvaluationRow:
    """One picture's scores: its path below the folder without ending, and a number for each metric."""

    name: str
    scores: dict[str, float]


def evaluate_folders(
    predictions: Path,
    targets: Path,
    *,
    protocol: str = "rgb",
    metrics: Sequence[str] = ("psnr", "ssim"),
    crop: bool = False,
    pristine: Path | None = None,
) -> list[EvaluationRow]:
    """Score each picture of a folder against its target in another, matched by name as ``find_pairs`` does.

    Args:
        predictions, targets: two folders, searched to any depth, or two files.
        protocol: for PSNR and SSIM, one of ``pellucid.metrics.PROTOCOLS``.
        metrics: of ``METRICS``; NIQE looks at predictions alone.
        crop: where sizes differ, compare the width and height that both have, from the top left.
        pristine: the file of the model that "niqe" needs.

    Returns:
        A row for each pair, in the order of names.

    Raises:
        ConfigError: an unknown protocol or metric, "niqe" without its model, no picture, or one without a
            counterpart.
        ImageError: a picture that cannot be read, or a pair that cannot be compared.
    """
    check_protocol(protocol)
    scorers = {metric: _scorer(metric, protocol, pristine) for metric in metrics}
    rows: list[EvaluationRow] = []
    for name, (prediction, target) in _pairs(predictions, targets).items():
        photos = [read_photo(path) for path in (prediction, target)]
        try:
            a, b = _of_one_size(*photos, crop=crop)
            rows.append(EvaluationRow(name=name, scores={metric: score(a, b) for metric, score in scorers.items()}))
        except ImageError as error:
            raise ImageError(f"{prediction} against {target}: {error}") from None
    return rows


def mean_scores(rows: Sequence[EvaluationRow]) -> dict[str, float]:
    """The mean of each metric over at least one row; infinite where a picture equals its target."""
    return {metric: float(np.mean([row.scores[metric] for row in rows])) for metric in rows[0].scores}


def worst_first(rows: Sequence[EvaluationRow]) -> list[EvaluationRow]:
    """Rows by PSNR, or by their first metric if they have none, from the worst to the best."""
    if not rows:
        return []
    metric = "psnr" if "psnr" in rows[0].scores else next(iter(rows[0].scores))
    return sorted(rows, key=lambda row: row.scores[metric], reverse=metric in LOWER_IS_BETTER)


def to_csv(rows: Sequence[EvaluationRow]) -> str:
    """A line of names, then one for each row, unrounded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *rows[0].scores])
    writer.writerows([row.name, *row.scores.values()] for row in rows)
    return text.getvalue()


def _scorer(metric: str, protocol: str, pristine: Path | None) -> _Score:
    match metric:
        case "psnr":
            return lambda a, b: psnr(a, b, protocol)
        case "ssim":
            return lambda a, b: ssim(a, b, protocol)
        case "niqe-pellucid":
            return lambda a, b: niqe_pellucid(a)
        case "niqe":
            if pristine is None:
                raise ConfigError("niqe needs a pristine model, given as `pristine`; niqe-pellucid has its own")
            model = load_pristine(pristine)
            return lambda a, b: niqe(a, model)
        case _:
            raise ConfigError(f"Unknown metric '{metric}'.{did_you_mean(metric, METRICS)}")


def _of_one_size(prediction: Photo, target: Photo, *, crop: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    height, width = min(prediction.height, target.height), min(prediction.width, target.width)
    sizes = [f"{photo.width}x{photo.height}" for photo in (prediction, target)]
    if sizes[0] != sizes[1] and not crop:
        raise ImageError(
            f"sizes differ ({' and '.join(sizes)}); `crop=True` compares what they share from the top left"
        )
    return prediction.pixels[:height, :width], target.pixels[:height, :width]


def _pairs(predictions: Path, targets: Path) -> dict[str, tuple[Path, Path]]:
    if predictions.is_file() and targets.is_file():
        return {predictions.stem: (predictions, targets)}
    found, wanted = _by_name(predictions), _by_name(targets)
    match = match_names(list(found), list(wanted))
    _check_partners(predictions, found.keys() - match.keys(), "target")
    _check_partners(targets, wanted.keys() - set(match.values()), "prediction")
    pairs: dict[str, tuple[Path, Path]] = {}
    for name, target in match.items():
        title = (
            name.removesuffix(found[name].suffix).encode(errors="backslashreplace").decode()
        )  # any terminal takes it
        if title in pairs:
            raise ConfigError(f"{predictions}: {pairs[title][0].name} and {found[name].name} have one name; keep one")
        pairs[title] = found[name], wanted[target]
    return pairs


def _check_partners(folder: Path, lone: Set[str], partner: str) -> None:
    if lone:
        named = ", ".join(sorted(lone)[:NAMED]) + (", ..." if len(lone) > NAMED else "")
        raise ConfigError(f"{folder}: {len(lone)} without a {partner} of the same name ({named})")


def _by_name(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by their path there, sorted."""
    if folder.is_file():
        raise ConfigError(f"{folder}: is a file; name two folders, or two files")
    paths = find_pictures(folder)
    if not paths:
        raise ConfigError(f"{folder}: no such folder, or no picture in it")
    return {path.relative_to(folder).as_posix(): path for path in paths}
