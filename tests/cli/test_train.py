import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

from pellucid.training import TrainConfig
from pellucid.training.parse import read_config, write_config
from pellucid.training.recipes import RECIPES

from conftest import Run, one_line, textured

TINY = ["network.overrides.embed_dim=4", "network.overrides.num_heads=[4,4,2,2,1]", "network.init=null", "threads=1"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return textured(tmp_path / "photos" / "photo.png").parent


def test_a_recipe_makes_weights_that_restore_takes(command: Run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train = ["train", "derain", *TINY, "--data", photos, "--val", photos, "--out", out]
    code, printed, _ = command(*train, "stages=[{patch: 32, batch: 1, iterations: 2}]")
    assert (code, printed) == (0, f"{out / 'model.safetensors'}\n")
    assert read_config(out / "config.yaml").stages[0].patch == 32
    assert command("restore", photos / "photo.png", "-o", tmp_path / "x.png", "-m", printed.strip())[0] == 0
    code, _, errors = command(*train)
    assert code == 2
    assert one_line(errors)
    assert "--resume" in errors


def test_a_config_and_its_run_can_be_gone_on_with(command: Run, config: TrainConfig, tmp_path: Path) -> None:
    write_config(config, tmp_path / "mine.yaml")
    assert command("train", tmp_path / "mine.yaml", "--out", tmp_path / "other")[0] == 0
    longer = ["train", tmp_path / "other" / "config.yaml", "--resume", "stages.1.iterations=4"]
    code, _, errors = command(*longer)
    assert code == 0
    assert "resumed with stages.1.iterations 4 instead of 3" in errors
    rows = (tmp_path / "other" / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["3", "6", "7"]


def test_a_checkpoint_is_fine_tuned_with_parts_frozen(command: Run, config: TrainConfig, tmp_path: Path) -> None:
    write_config(config, tmp_path / "mine.yaml")
    first = command("train", tmp_path / "mine.yaml")[1].strip()
    code, printed, _ = command(
        "train", tmp_path / "mine.yaml", "--init", first, "--out", tmp_path / "tuned", "network.freeze=[encoder]"
    )
    assert code == 0
    described = command("inspect", printed.strip(), "--json")[1]
    assert json.loads(described)["config"] == json.loads(command("inspect", first, "--json")[1])["config"]


def test_recipes_are_listed_and_told(command: Run) -> None:
    listed = command("train", "--list")[1]
    assert [line.split()[0] for line in listed.splitlines()] == list(RECIPES)
    assert "Rain13K" in command("train", "restormer-deraining", "--list")[1]


def test_show_and_schema_print_and_do_nothing(command: Run, photos: Path, tmp_path: Path) -> None:
    show = [
        "train",
        "restormer-deraining",
        "--data",
        photos,
        "--out",
        tmp_path / "run",
        "--show",
        "--preset",
        "small-gpu",
    ]
    shown = yaml.safe_load(command(*show)[1])
    assert shown["stages"][0]["accumulate"] == 32
    assert not (tmp_path / "run").exists()
    own = yaml.safe_load(command(*show, "stages.0.accumulate=4")[1])
    assert [stage["accumulate"] for stage in own["stages"][:2]] == [4, 40]  # an override beats the preset
    assert json.loads(command("train", "--schema")[1])["title"] == "TrainConfig"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs a recipe or a config.yaml"),
        (["denoise"], "needs --data"),
        (["denois", "--data", "{photos}"], "Did you mean 'denoise'?"),
        (["denoise", "--data", "missing", "--out", "{out}"], "missing: no such folder"),
        (["restormer-deraining", "--data", "{photos}", "--out", "{out}"], "holds no pairs"),
        (["denoise", "--data", "{photos}", "--out", "{out}"], "96x80 is smaller than a patch of 128"),
        (["denoise", "--data", "{photos}", "optimizer.learning=1"], "unknown key 'learning' in optimizer"),
        (["denoise", "--data", "{photos}", "--preset", "tiny"], "Unknown preset 'tiny'. Known: small-gpu"),
        (["denoise", "--data", "{photos}", "--out", "{out}", "--resume"], "no such file to resume from"),
        (["none.yaml"], "none.yaml: cannot be read"),
        (["--from-basicsr", "none.yml"], "none.yml: cannot be read"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], said: str, command: Run, photos: Path, tmp_path: Path
) -> None:
    code, printed, errors = command("train", *[a.format(photos=photos, out=tmp_path / "run") for a in arguments])
    assert (code, printed) == (2, "")
    assert one_line(errors)
    assert said in errors


def test_an_unpaired_file_is_one_line(command: Run, tmp_path: Path) -> None:
    for name in ("input/1.png", "input/2.png", "target/1.png"):
        textured(tmp_path / "pairs" / name)
    code, _, errors = command("train", "restormer-deraining", "--data", tmp_path / "pairs", "--out", tmp_path / "run")
    assert code == 2
    assert one_line(errors)
    assert "1 input has no target (2.png)" in errors


def test_a_photo_that_is_damaged_is_named(command: Run, photos: Path, tmp_path: Path) -> None:
    whole = Image.open(photos / "photo.png").resize((300, 300))
    whole.save(photos / "z.png")
    (photos / "z.png").write_bytes((photos / "z.png").read_bytes()[:5000])
    options = ["stages=[{patch: 32, batch: 1, iterations: 50}]"]
    code, _, errors = command("train", "denoise", *TINY, *options, "--data", photos, "--out", tmp_path / "run")
    assert code == 1
    assert "z.png" in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_ctrl_c_saves_and_says_how_to_go_on(config: TrainConfig, tmp_path: Path) -> None:
    write_config(config, tmp_path / "mine.yaml")
    endless = ["stages.0.iterations=1000000", "every=1000000", "data.val=null"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pellucid", "train", str(tmp_path / "mine.yaml"), *endless],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any((config.out / "tensorboard").glob("*")):
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume goes on from" in errors
    assert "Traceback" not in errors
    assert (config.out / "last.ckpt").exists()
