import csv
import json
from pathlib import Path

import pytest

from conftest import Run, one_line, textured


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for seed, name in enumerate(("one", "two", "three")):
        textured(tmp_path / "targets" / f"{name}.png", seed=seed)
        textured(tmp_path / "predictions" / f"{name}.png", seed=seed if name == "one" else 9)
    return tmp_path / "predictions", tmp_path / "targets"


def test_a_table_with_the_worst_first_and_the_mean(command: Run, folders: tuple[Path, Path]) -> None:
    code, printed, errors = command("evaluate", *folders)
    lines = [line.split() for line in printed.splitlines()]
    assert (code, errors) == (0, "")
    assert lines[0] == ["image", "psnr", "ssim"]
    assert lines[3] == ["one", "inf", "1.0000"]
    assert float(lines[1][1]) <= float(lines[2][1])
    assert lines[4][:3] == ["mean", "of", "3"]
    assert len(command("evaluate", *folders, "--worst", 1)[1].splitlines()) == 3


def test_json_and_csv(command: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    options = ("--json", "--csv", table, "--protocol", "matlab-y", "--worst", 2)
    code, printed, _ = command("evaluate", *folders, *options)
    report = json.loads(printed)
    rows = list(csv.DictReader(table.open()))
    assert code == 0
    assert (report["protocol"], report["count"], len(report["images"]), len(rows)) == ("matlab-y", 3, 2, 3)
    assert report["mean"]["psnr"] is None
    assert float(rows[0]["ssim"]) == report["images"][0]["ssim"]
    assert rows[2]["name"] == "one"
    assert command("evaluate", *folders, "--csv", table)[0] == 2
    assert command("evaluate", *folders, "--csv", table, "--overwrite")[0] == 0


def test_usage_errors_exit_2_and_bad_pictures_1(command: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, _ = folders
    (tmp_path / "empty").mkdir()
    for arguments in (
        (predictions, tmp_path / "empty"),
        (*folders, "--protocol", "y"),
        (*folders, "--metrics", "psnr,"),
        (*folders, "--metrics", "niqe"),
        (*folders, "--csv", tmp_path / "nowhere" / "scores.csv"),
    ):
        code, _, errors = command("evaluate", *arguments)
        assert (code, one_line(errors)) == (2, True)
    textured(predictions / "two.png", (96, 81))
    code, _, errors = command("evaluate", *folders)
    assert (code, one_line(errors), "two.png" in errors) == (1, True, True)
    (predictions / "two.png").write_text("not a picture")
    code, _, errors = command("evaluate", *folders)
    assert (code, one_line(errors), "two.png" in errors) == (1, True, True)
