import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Run, one_line, textured


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a photo, and another in a folder of its own."""
    textured(tmp_path / "in" / "one.png")
    textured(tmp_path / "in" / "deeper" / "two.png", seed=1)
    return tmp_path / "in"


def test_several_degradations_at_once(command: Run, photos: Path) -> None:
    options = ("--haze", "light", "--rain", "any", "--camera", "medium", "--gaussian", 5, "--jpeg", 60)
    code, printed, errors = command("degrade", photos / "one.png", *options)
    out = photos / "one_degraded.png"
    assert (code, printed.strip(), errors) == (0, str(out), "")
    clean, degraded = (np.asarray(Image.open(path), np.float32) for path in (photos / "one.png", out))
    assert degraded.shape == clean.shape
    assert np.abs(degraded - clean).mean() > 3


def test_a_seed_decides_everything(command: Run, photos: Path, tmp_path: Path) -> None:
    def degraded(name: str, seed: int) -> bytes:
        out = tmp_path / name
        options = ("--raindrop", "many", "--motion", "strong", "--gaussian", 15)
        assert command("degrade", photos / "one.png", "-o", out, "--seed", seed, *options)[0] == 0
        return out.read_bytes()

    first = degraded("a.png", 1)
    assert degraded("b.png", 1) == first
    assert degraded("c.png", 2) != first


def test_a_folder_is_mirrored_and_listed(command: Run, photos: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    out = tmp_path / "out"
    code, printed, _ = command("degrade", photos, "-o", out, "--defocus", "slight", "--json")
    report = json.loads(printed)
    assert code == 0
    assert report["degrade"] == {"defocus": {"level": "slight"}}
    assert {file["target"] for file in report["files"]} == {str(out / "one.png"), str(out / "deeper" / "two.png")}
    assert {path for path in out.rglob("*.png")} == {out / "one.png", out / "deeper" / "two.png"}
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before


def test_an_unreadable_file_exits_1_and_the_others_are_written(command: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_text("not a picture")
    code, printed, errors = command("degrade", photos, "-o", tmp_path / "out", "--jpeg", 30)
    assert code == 1
    assert len(printed.split()) == 2
    assert "1 of 3 failed" in errors
    assert errors.count("bad.png") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{in}/one.png"], 2, "nothing to do"),
        (["{in}/one.png", "--rain", "hevy"], 2, "Did you mean 'heavy'"),
        (["{in}/one.png", "--rain", "heavy", "--suffix", "x/y"], 2, "suffix"),
        (["{in}/one.png", "--rain", "heavy", "-o", "{in}/one.png", "--overwrite"], 1, "would overwrite an input"),
        (["{in}/one.png", "--rain", "heavy", "-o", "{in}/deeper/two.png"], 1, "exists already"),
    ],
)
def test_what_cannot_be_is_one_line_and_costs_no_file(
    command: Run, photos: Path, arguments: list[str], code: int, message: str
) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    got, printed, errors = command("degrade", *(argument.replace("{in}", str(photos)) for argument in arguments))
    assert (got, printed) == (code, "")
    assert one_line(errors), errors
    assert message in errors
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before


def test_a_format_and_a_second_run(command: Run, photos: Path, tmp_path: Path) -> None:
    arguments = ("degrade", photos, "-o", tmp_path / "out", "-f", "tif", "--gaussian", 5)
    assert command(*arguments)[1].split() == [str(tmp_path / "out" / name) for name in ("deeper/two.tif", "one.tif")]
    assert "2 of 2 skipped" in command(*arguments, "--resume")[2]
    assert len(command(*arguments, "--resume", "--seed", 1)[1].split()) == 2
