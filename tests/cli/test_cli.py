import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

import pellucid
from pellucid.zoo import list_models

from conftest import Run, one_line


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(path)
    return path


def test_restore_prints_the_result_and_nothing_else(
    command: Run, photo_file: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    code, printed, errors = command("restore", photo_file, "-o", out, "-m", weights)
    assert (code, printed.strip(), errors) == (0, str(out), "")
    expected = pellucid.restore(photo_file, model=weights)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected.pixels)


def test_restore_reports_as_json(command: Run, photo_file: Path, weights: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    code, printed, _ = command(
        "restore", photo_file.parent, "-o", tmp_path / "out", "-m", weights, "--json", "--report", report
    )
    assert code == 0
    assert json.loads(printed) == json.loads(report.read_text())
    summary = json.loads(printed)
    assert summary["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert summary["settings"] == {
        "tile": "auto",
        "overlap": 64,
        "precision": "high",  # what auto means here
        "device": "cpu",
        "backend": "torch",
        "keep_clean": True,
    }
    (file,) = summary["files"]
    assert (file["read"]["width"], file["read"]["height"], file["error"]) == (30, 20, None)
    assert (file["read"]["format"], file["read"]["depth"], file["read"]["channels"]) == ("PNG", "uint8", 3)
    assert file["watch"] == {"tiles": 1, "events": [], "taken_for_clean": False, "share": 1.0}
    assert file["peak_bytes"] > 10**7


def test_a_folder_with_one_bad_file_exits_1_and_writes_the_rest(
    command: Run, photo_file: Path, weights: Path, tmp_path: Path
) -> None:
    (photo_file.parent / "bad.png").write_text("not a picture")
    code, printed, errors = command("restore", photo_file.parent, "-o", tmp_path / "out", "-m", weights)
    assert code == 1
    assert printed.split() == [str(tmp_path / "out" / "photo.png")]
    when_it_failed, heading, again = errors.splitlines()
    assert when_it_failed.startswith(f"pellucid: {photo_file.parent / 'bad.png'}: ")
    assert heading == "pellucid: 1 of 2 failed:"
    assert again == when_it_failed.replace("pellucid: ", "  ", 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.png"], 1, "no such file"),
        (["{in}", "-o", "{in}/photo.png/deeper/"], 1, "not a folder"),
        (["{in}", "-m", "no-such-model"], 2, "Unknown model"),
        (["{in}", "-t", "derian"], 2, "Did you mean 'derain'"),
        (["{in}", "-m", "{in}/photo.png"], 2, "looks like a picture"),
        (["{in}", "-m", "missing.pth"], 2, "no such file"),
        (["{in}", "--tile", "big"], 2, "--tile must be"),
        (["{in}", "--precision", "fp64"], 2, "precision must be"),
        (["{in}", "--device", "gpu"], 2, "--device 'gpu'"),
        (["{in}", "-o", "{in}"], 1, "would overwrite an input"),
        (["{in}", "-m", "ast-s-denoise", "-t", "denoise"], 2, "not both"),
        (["{in}", "--report", "{in}/photo.png"], 2, "exists already"),
        (["{in}", "--report", "{in}/photo.png", "--overwrite"], 2, "only a .json"),
        (["{in}", "--report", "{in}/no/r.json"], 2, "in a folder that exists"),
        (["{in}", "--suffix", "x/y"], 2, "suffix"),
        (["x" * 300], 1, "File name too long"),
        (["{in}/photo.png", "-o", "{in}/x.doc"], 2, "x.doc"),
        (["{in}", "-f", "pgn"], 2, "no format 'pgn' to write"),
        (["{in}/photo.png", "-o", "{in}/x.jpg", "-f", "png"], 2, "disagree"),
        (["{in}", "--overwrite", "--resume"], 2, "exclude each other"),
        (["{in}", "--skip-existing", "--resume"], 2, "exclude each other"),
        (["{in}", "--max-megapixels", "nan"], 2, "--max-megapixels takes"),
        (["{in}", "--max-megapixels", "0"], 2, "--max-megapixels"),
        (["{in}", "--max-megapixels", "0.0005"], 1, "above the limit of 0.0005 megapixels"),
        (["{in}", "--timeout", "-1"], 2, "--timeout takes"),
        (["/dev/zero"], 1, "is a device"),
        (["no\nsuch\x1b[2J.png"], 1, "no\\nsuch\\x1b[2J.png: matches no file"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(
    command: Run, photo_file: Path, arguments: list[str], code: int, message: str
) -> None:
    before = photo_file.read_bytes()
    filled = [argument.replace("{in}", str(photo_file.parent)) for argument in arguments]
    got, printed, errors = command("restore", *filled)
    assert got == code
    assert printed == ""
    assert one_line(errors), errors
    assert message in errors
    assert photo_file.read_bytes() == before
    assert [path.name for path in photo_file.parent.iterdir()] == ["photo.png"]


def test_many_failures_are_repeated_in_short(command: Run, photo_file: Path, weights: Path, tmp_path: Path) -> None:
    for index in range(25):
        (photo_file.parent / f"bad{index:02}.png").write_text("not a picture")
    code, printed, errors = command("restore", photo_file.parent, "-o", tmp_path / "out", "-m", weights)
    lines = errors.splitlines()
    assert (code, len(printed.splitlines())) == (1, 1)
    assert lines[25] == "pellucid: 25 of 26 failed:"
    assert "bad19.png" in lines[-2]
    assert lines[-1] == "  and 5 more, named above"


def test_a_second_run_goes_on(command: Run, photo_file: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ("restore", photo_file, "-o", tmp_path / "out.png", "-m", weights)
    assert command(*arguments)[0] == 0
    assert "--skip-existing and --resume leave it" in command(*arguments)[2]
    for option in ("--skip-existing", "--resume"):
        code, printed, errors = command(*arguments, option)
        assert (code, printed) == (0, "")
        assert errors == "pellucid: 1 of 1 skipped, as their outputs exist\n"
    (file,) = json.loads(command(*arguments, "--resume", "--json")[1])["files"]
    assert (file["skipped"], file["target"]) == (True, str(tmp_path / "out.png"))


@pytest.mark.parametrize("arguments", [[], ["restore"], ["restore", "--no-such-option", "x"], ["no-such-verb"]])
def test_wrong_usage_exits_2(command: Run, arguments: list[str]) -> None:
    assert command(*arguments)[0] == 2


def test_inspect_says_what_a_checkpoint_is(command: Run, weights: Path, tiny_ast: nn.Module) -> None:
    code, printed, _ = command("inspect", weights, "--json")
    facts = json.loads(printed)
    assert code == 0
    assert facts["family"] == "ast"
    assert facts["parameters"] == sum(p.numel() for p in tiny_ast.parameters())
    assert facts["config"]["embed_dim"] == 4
    assert facts["gmacs_256"] > 0
    assert "embed_dim" in command("inspect", weights)[1]
    described = json.loads(command("inspect", "ast-s-denoise", "--json")[1])
    assert (described["parameters"], described["config"]["embed_dim"]) == (list_models("denoise")[0].parameters, 16)


def test_what_is_said_names_the_file_it_is_about(command: Run, weights: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(noise).save(tmp_path / name)
    out = tmp_path / "out"
    code, _, errors = command("restore", tmp_path / "a.png", tmp_path / "b.png", "-o", out, "-m", weights, "-f", "gif")
    assert code == 0
    for name in ("a.png", "b.png"):
        assert f"{tmp_path / name}: GIF holds 256 colours" in errors


def test_verbose_says_what_is_done(command: Run, photo_file: Path, weights: Path, tmp_path: Path) -> None:
    _, _, errors = command("-v", "restore", photo_file, "-o", tmp_path / "out.png", "-m", weights)
    assert f"{weights.name}, tile auto" in errors
    assert f"{photo_file}: PNG of 30x20, 3 channels of uint8" in errors


def test_models_lists_what_is_bundled(command: Run) -> None:
    code, printed, _ = command("models", "--json")
    assert code == 0
    assert [model["name"] for model in json.loads(printed)] == [model.name for model in list_models()]
    assert "ast-s-denoise" in command("models")[1]
    assert command("models", "--task", "denois")[0] == 2


def test_demo_with_a_photo_of_ones_own(command: Run, tmp_path: Path) -> None:
    from skimage.data import coffee

    Image.fromarray(coffee()[:128, :160]).save(tmp_path / "mine.png")
    out = tmp_path / "demo" / "before-after.png"
    code, printed, _ = command("demo", "--image", tmp_path / "mine.png", "-o", out, "--json")
    result = json.loads(printed)
    assert code == 0
    assert result["psnr_after"] > result["psnr_before"] + 3
    assert Image.open(out).size == (160, 128)


@pytest.mark.parametrize("output", ["mine.png", "taken.png", "mine.png/x.png", "x.foo"])
def test_demo_costs_no_file(command: Run, tmp_path: Path, output: str) -> None:
    for name in ("mine.png", "taken.png"):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, printed, errors = command("demo", "--image", tmp_path / "mine.png", "-o", tmp_path / output)
    assert code in (1, 2)
    assert printed == ""
    assert one_line(errors)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_importing_is_quick_and_does_nothing() -> None:
    script = "import sys, pellucid.cli.main; print('torch' in sys.modules, 'PIL' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "False"]


def test_the_public_names_are_there() -> None:
    for name in pellucid.__all__:
        assert getattr(pellucid, name)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = pellucid.no_such_name
