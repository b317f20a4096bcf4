import csv
import json
from pathlib import Path

import pytest

from pellucid.benchmark.registry import BENCHMARKS
from pellucid.inference import Restorer

from conftest import Run, one_line, textured


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        textured(tmp_path / "mcmaster12" / f"{number}.png", (32, 24), seed=number)
        for side, seed in (("input", number), ("target", number + 1)):
            textured(tmp_path / "Rain12" / side / f"{number}.png", (32, 24), seed=seed)
    return tmp_path


def test_a_folder_of_clean_pictures(command: Run, pictures: Path, weights: Path) -> None:
    code, printed, _ = command("benchmark", "mcmaster12", "--sigma", "0,25", "-m", weights, "--json")
    clean, noisy = json.loads(printed)
    assert code == 0
    assert (clean["sigma"], noisy["sigma"], noisy["images"], noisy["protocol"]) == (0, 25, 12, "rgb")
    assert clean["input_psnr"] is None
    assert 19 < noisy["input_psnr"] < 23
    assert noisy["parameters"] > 0
    assert noisy["gmacs_256"] > 0
    assert noisy["seconds_per_megapixel"] > 0
    assert noisy["peak_bytes"] > 0
    assert noisy["published"] == []


def test_a_table_for_several(command: Run, pictures: Path, weights: Path) -> None:
    code, printed, errors = command("benchmark", "set12=mcmaster12", "Rain12", "-m", weights)
    assert code == 1
    assert one_line(errors)
    assert "in colour, and this benchmark is grey" in errors
    code, printed, errors = command(
        "benchmark", "mcmaster12", "Rain12", "--sigma", "50", "-m", weights, "--csv", "table.csv", "--html", "page"
    )
    assert (code, errors) == (0, "")
    head, _, noise, rain, page = printed.splitlines()
    assert head.startswith("tiny (")
    assert noise.split()[:4] == ["mcmaster12", "σ50", "12", "rgb"]
    assert rain.split()[:3] == ["rain12", "12", "matlab-y"]
    assert page == str(Path("page/index.html"))
    with Path("table.csv").open(encoding="utf-8") as file:
        assert [row["title"] for row in csv.DictReader(file)] == ["mcmaster12 σ50", "rain12"]


def test_each_benchmark_is_given_to_the_model_for_its_task(command: Run, pictures: Path) -> None:
    code, printed, _ = command("benchmark", "made-motion=mcmaster12", "Rain12", "mcmaster12", "--sigma", "9", "--json")
    assert code == 0
    assert [row["model"] for row in json.loads(printed)] == ["ast-s-deblur", "ast-s-derain", "ast-s-denoise"]
    code, printed, _ = command("benchmark", "made-motion=mcmaster12", "Rain12", "-t", "derain", "--json")
    assert [row["model"] for row in json.loads(printed)] == ["ast-s-derain"] * 2


def test_rows_of_the_papers_under_their_protocol_only(
    command: Run, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        for side, seed in (("hazy", number), ("GT", number + 1)):
            textured(tmp_path / "Dense-Haze" / side / f"{number}.png", (32, 24), seed=seed)
    printed = command("benchmark", "Dense-Haze", "-m", weights, "--csv", "t.csv")[1]
    assert printed.splitlines()[-1].split() == ["AST-B", "17.12", "0.55", "AST", "(CVPR", "2024)", "[1]"]
    assert "17.12" in Path("t.csv").read_text()
    printed = command("benchmark", "Dense-Haze", "-m", weights, "--protocol", "y-float")[1]
    assert "17.12" not in printed
    assert "published rows are not shown, they were scored under rgb and these under y-float" in printed


def test_a_second_run_computes_nothing(
    command: Run, pictures: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("benchmark", "mcmaster12", "--sigma", "25", "-m", weights, "--html", "page")
    first = command(*arguments)
    monkeypatch.setattr(Restorer, "restore_array", None)
    assert command(*arguments) == first
    assert (pictures / "runs" / "benchmark").is_dir()


def test_self_ensemble_is_another_result(command: Run, pictures: Path, weights: Path) -> None:
    once, eight = (
        json.loads(command("benchmark", "mcmaster12", "--sigma", "25", "-m", weights, "--json", *more)[1])[0]
        for more in ((), ("--self-ensemble",))
    )
    assert eight["gmacs_256"] == pytest.approx(8 * once["gmacs_256"])
    assert eight["psnr"] != once["psnr"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing: no such folder"),
        (["mcmaster=mcmaster12"], "holds 12 pictures, mcmaster has 18"),
        (["macmaster=mcmaster12"], "Did you mean 'mcmaster'"),
        (["mcmaster12", "--sigma", "fifteen"], "--sigma takes"),
        (["mcmaster12", "--sigma=-5"], "--sigma takes"),
        (["mcmaster12", "--protocol", "matlab"], "Did you mean 'matlab-y'"),
        (["mcmaster12", "--tile", "papre"], "--tile must be"),
        (["mcmaster12", "--csv", "table.png"], "--csv takes"),
        (["mcmaster12", "--html", "weights"], "is no report of pellucid"),
    ],
)
def test_wrong_usage_is_one_line(
    command: Run, pictures: Path, weights: Path, arguments: list[str], message: str
) -> None:
    (weights.parent / "index.html").write_text("mine")
    code, printed, errors = command("benchmark", *arguments, "-m", weights)
    assert (code, printed) == (2, "")
    assert one_line(errors), errors
    assert message in errors


def test_the_list_names_every_benchmark(command: Run) -> None:
    code, printed, _ = command("benchmark", "--list")
    assert code == 0
    assert [line.split()[0] for line in printed.splitlines()[1:]] == [benchmark.id for benchmark in BENCHMARKS]
