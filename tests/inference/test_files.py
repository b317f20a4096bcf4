from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.inference import Restorer, restore_files
from pellucid.inference.files import FileOptions
from pellucid.inference.journal import NAME

from conftest import Identity, picture

OVERWRITE = FileOptions(existing="overwrite")


@pytest.fixture
def restorer() -> Restorer:
    return Restorer(Identity(), tile="off")


def snapshot(folder: Path) -> dict[str, bytes]:
    """All files below a folder but the journal, which holds times."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != NAME)
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def test_an_output_folder_inside_the_input_folder_is_not_an_input(tmp_path: Path, restorer: Restorer) -> None:
    picture(tmp_path / "a.png")
    for _ in range(2):
        results = list(restore_files([tmp_path], tmp_path / "out", restorer=restorer, options=OVERWRITE))
        assert [result.target for result in results] == [str(tmp_path / "out" / "a.png")]


@pytest.mark.parametrize("output", [".", "..", "in/../out"])
def test_an_output_folder_around_the_input_folder_excludes_nothing(
    tmp_path: Path, restorer: Restorer, output: str
) -> None:
    picture(tmp_path / "in" / "deep" / "a.png")
    (result,) = restore_files([tmp_path / "in" / "deep"], tmp_path / "in" / output, restorer=restorer)
    assert result.error is None


def test_a_defect_in_one_photo_does_not_end_the_batch(
    tmp_path: Path, restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "in" / name)
    real = Restorer.restore

    def fail_once(self: Restorer, *arguments: object, **options: object) -> object:
        monkeypatch.setattr(Restorer, "restore", real)
        raise ZeroDivisionError("a defect\nin two lines")

    monkeypatch.setattr(Restorer, "restore", fail_once)
    first, second = restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer)
    assert first.error == f"{tmp_path / 'in' / 'a.png'}: ZeroDivisionError: a defect"
    assert second.error is None


@pytest.mark.parametrize("name", ["with space.png", "q'uote\".png", "ünïcode.png", "-dash.png", "[brackets].png"])
def test_odd_names_are_names(tmp_path: Path, restorer: Restorer, name: str) -> None:
    picture(tmp_path / name)
    (result,) = restore_files([tmp_path / name], tmp_path / "out", restorer=restorer)
    assert result.error is None
    assert Path(str(result.target)).exists()


@pytest.mark.parametrize("output", ["a.png", "../{name}/a.png", "link.png"])
def test_an_input_is_never_overwritten(tmp_path: Path, restorer: Restorer, output: str) -> None:
    source = picture(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(source)
    before = snapshot(tmp_path)
    for inputs, into in (([source], output.format(name=tmp_path.name)), ([tmp_path], ".")):
        results = list(restore_files(inputs, tmp_path / into, restorer=restorer, options=OVERWRITE))
        assert "would overwrite an input" in str(results[0].error)
    assert snapshot(tmp_path) == before


def test_an_existing_output_stays_unless_told_otherwise(tmp_path: Path, restorer: Restorer) -> None:
    source, target = picture(tmp_path / "a.png", 1), picture(tmp_path / "b.png", 2)
    before = snapshot(tmp_path)
    (result,) = restore_files([source], target, restorer=restorer)
    assert "exists already" in str(result.error)
    assert snapshot(tmp_path) == before
    (result,) = restore_files([source], target, restorer=restorer, options=OVERWRITE)
    assert result.error is None
    assert np.asarray(Image.open(target)).max() == 1


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, restorer: Restorer) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "z.jpg")
    whole = picture(tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "in" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "text.png").write_text("not a picture")
    (tmp_path / "in" / "empty.png").write_bytes(b"")
    before = snapshot(tmp_path / "in")

    results = {
        Path(result.source).name: result
        for result in restore_files([tmp_path / "in", tmp_path / "missing.png"], tmp_path / "out", restorer=restorer)
    }
    assert {name for name, result in results.items() if result.error is None} == {"a.png", "z.jpg"}
    for name in ("cut.jpg", "text.png", "empty.png", "missing.png"):
        error = str(results[name].error)
        assert name in error
        assert "\n" not in error
    assert "text" in str(results["text.png"].error)
    assert "empty" in str(results["empty.png"].error)
    assert "no such file" in str(results["missing.png"].error)
    assert sorted(snapshot(tmp_path / "out")) == ["a.png", "z.jpg"]
    assert snapshot(tmp_path / "in") == before


def test_a_folder_without_pictures_and_a_glob_without_files_are_said(tmp_path: Path, restorer: Restorer) -> None:
    (tmp_path / "empty").mkdir()
    inputs = [tmp_path / "empty", str(tmp_path / "*.nothing")]
    errors = [str(result.error) for result in restore_files(inputs, tmp_path / "out", restorer=restorer)]
    assert "without pictures" in errors[0]
    assert "matches no file" in errors[1]
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = picture(tmp_path / "a.png")
    (tmp_path / "file").write_text("in the way")
    (result,) = restore_files([source], f"{tmp_path / 'file'}/", restorer=restorer)
    assert "not a folder" in str(result.error)

    monkeypatch.setattr("os.access", lambda *_: False)  # root ignores permission bits
    (result,) = restore_files([source], f"{tmp_path / 'locked'}/", restorer=restorer)
    assert "no permission" in str(result.error)
    assert not restorer.network.seen
