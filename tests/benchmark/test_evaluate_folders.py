import math
from pathlib import Path

import numpy as np
import pytest

from pellucid.benchmark.evaluate import EvaluationRow, evaluate_folders, mean_scores, to_csv, worst_first
from pellucid.errors import ConfigError, ImageError
from pellucid.imaging import Photo, read_photo
from pellucid.metrics import psnr, ssim

from conftest import deep, picture, textured


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for seed, name in enumerate(("one.png", "deeper/two.png")):
        textured(tmp_path / "targets" / name, seed=seed)
        textured(tmp_path / "predictions" / name, seed=seed + 10)
    return tmp_path / "predictions", tmp_path / "targets"


def test_each_pair_is_scored_under_the_protocol(folders: tuple[Path, Path]) -> None:
    rows = evaluate_folders(*folders, protocol="matlab-y")
    assert [row.name for row in rows] == ["deeper/two", "one"]
    a, b = (read_photo(folder / "one.png").pixels for folder in folders)
    assert rows[1].scores == {"psnr": psnr(a, b, "matlab-y"), "ssim": ssim(a, b, "matlab-y")}
    assert mean_scores(rows)["psnr"] == pytest.approx(np.mean([row.scores["psnr"] for row in rows]))


def test_endings_may_differ_and_two_files_need_not_match(folders: tuple[Path, Path]) -> None:
    predictions, targets = folders
    textured(targets / "one.bmp", seed=0)
    (targets / "one.png").unlink()
    scores = {row.name: row.scores for row in evaluate_folders(*folders)}
    (row,) = evaluate_folders(predictions / "deeper/two.png", targets / "one.bmp")
    assert row.name == "two"
    assert set(scores) == {"one", "deeper/two"}


def test_16_bit_pictures_are_scored_on_their_depth(tmp_path: Path) -> None:
    deep(tmp_path / "a.png", seed=0)
    deep(tmp_path / "b.png", seed=1)
    (row,) = evaluate_folders(tmp_path / "a.png", tmp_path / "b.png", protocol="skimage-rgb")
    a, b = (read_photo(tmp_path / name).pixels for name in ("a.png", "b.png"))
    assert a.dtype == np.uint16
    assert row.scores["psnr"] == psnr(a, b)


def test_crop_compares_what_is_shared(folders: tuple[Path, Path]) -> None:
    predictions, targets = folders
    Photo(pixels=read_photo(targets / "one.png").pixels[:64, :90].copy()).save(predictions / "one.png")
    with pytest.raises(ImageError, match=r"one\.png.*90x64 and 96x80.*`crop=True`"):
        evaluate_folders(*folders)
    scores = {row.name: row.scores for row in evaluate_folders(*folders, crop=True)}
    assert scores["one"]["psnr"] == math.inf


def test_what_has_no_counterpart_is_named(folders: tuple[Path, Path]) -> None:
    predictions, targets = folders
    (targets / "one.png").unlink()
    with pytest.raises(ConfigError, match=r"predictions: 1 without a target .*\(one\.png\)"):
        evaluate_folders(predictions, targets)
    with pytest.raises(ConfigError, match=r"predictions: 1 without a prediction .*\(one\.png\)"):
        evaluate_folders(targets, predictions)


def test_what_cannot_be_evaluated(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, targets = folders
    (tmp_path / "empty").mkdir()
    for other in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="no picture"):
            evaluate_folders(predictions, other)
    with pytest.raises(ConfigError, match="is a file"):
        evaluate_folders(predictions / "one.png", targets)
    with pytest.raises(ConfigError, match="Did you mean 'niqe'"):
        evaluate_folders(predictions, targets, metrics=["nique"])
    with pytest.raises(ConfigError, match="`pristine`"):
        evaluate_folders(predictions, targets, metrics=["niqe"])
    with pytest.raises(ConfigError, match="Unknown protocol"):
        evaluate_folders(predictions, targets, protocol="y")
    picture(predictions / "one.jpg")
    picture(targets / "one.jpg")
    with pytest.raises(ConfigError, match="have one name"):
        evaluate_folders(predictions, targets)


def test_niqe_looks_at_predictions(tmp_path: Path) -> None:
    textured(tmp_path / "a" / "one.png", (200, 200), seed=0)
    textured(tmp_path / "b" / "one.png", (200, 200), seed=1)
    model = Path(np.__file__).parent  # never opened: niqe is not asked for
    (row,) = evaluate_folders(tmp_path / "a", tmp_path / "b", metrics=["niqe-pellucid"], pristine=model)
    assert row.scores["niqe-pellucid"] > 0


def test_the_worst_come_first() -> None:
    def rows(metric: str) -> list[EvaluationRow]:
        return [EvaluationRow(name=str(score), scores={metric: score}) for score in (30.0, 20.0, 40.0)]

    assert [row.name for row in worst_first(rows("psnr"))] == ["20.0", "30.0", "40.0"]
    assert [row.name for row in worst_first(rows("niqe-pellucid"))] == ["40.0", "30.0", "20.0"]
    assert to_csv(rows("psnr")) == "name,psnr\n30.0,30.0\n20.0,20.0\n40.0,40.0\n"


def test_names_that_differ_by_their_role_belong_together(tmp_path: Path) -> None:
    for i in range(2):
        textured(tmp_path / "restored" / f"rain-{i}.png", seed=i)
        textured(tmp_path / "targets" / f"norain-{i}.png", seed=i)
    rows = evaluate_folders(tmp_path / "restored", tmp_path / "targets")
    assert [(row.name, row.scores["ssim"]) for row in rows] == [("rain-0", 1.0), ("rain-1", 1.0)]
