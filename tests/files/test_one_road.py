"""More than 300 lines: what one road promises, of every kind of file."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ConfigError, RestoreError
from pellucid.files import FileOptions, restore_files, run
from pellucid.files.journal import NAME
from pellucid.files.options import Existing
from pellucid.imaging import Frame, Photo, Picture
from pellucid.inference import Restorer

from conftest import Identity, left_behind, picture, textured

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
    real = Restorer.restore_frame

    def fail_once(self: Restorer, *arguments: object, **options: object) -> object:
        monkeypatch.setattr(Restorer, "restore_frame", real)
        raise ZeroDivisionError("a defect\nin two lines")

    monkeypatch.setattr(Restorer, "restore_frame", fail_once)
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


@pytest.mark.parametrize("existing", ["overwrite", "skip", "resume"])
def test_a_folder_in_the_place_of_a_result_fails(tmp_path: Path, restorer: Restorer, existing: Existing) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    options = FileOptions(existing=existing)
    (result,) = restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer, options=options)
    assert "is a folder" in str(result.error)


def test_an_output_folder_that_vanishes_is_not_made_anew(tmp_path: Path, restorer: Restorer) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / "in" / name)
    results = []
    for result in restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer):
        results.append(result)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert results[0].error is None
    for result in results[1:]:
        assert str(result.error).endswith(f"cannot be written, the folder {tmp_path / 'out'} is gone")
    assert not (tmp_path / "out").exists()


def test_pictures_above_the_limit_are_refused_before_they_are_decoded(tmp_path: Path, restorer: Restorer) -> None:
    source = picture(tmp_path / "a.png")
    options = FileOptions(max_pixels=12 * 16 - 1)
    (result,) = restore_files([source], restorer=restorer, options=options)
    assert "`max_pixels`" in str(result.error)
    (result,) = restore_files([source], restorer=restorer, options=FileOptions(max_pixels=12 * 16))
    assert result.error is None


@pytest.mark.parametrize("place", ["open_picture", "work"])
def test_a_file_that_takes_too_long_fails_and_the_others_go_on(
    tmp_path: Path, restorer: Restorer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", 7)

    def dawdle(photo: Photo) -> None:
        if photo.pixels.max() == 7:
            time.sleep(30)

    read, restore = run.open_picture, Restorer.restore_frame
    if place == "open_picture":

        def slow_open(path: Path, **options: object) -> Picture:
            opened = read(path, **options)
            dawdle(Photo.of(opened.first()))
            return opened

        monkeypatch.setattr(run, "open_picture", slow_open)
    else:

        def slow_restore(self: Restorer, photo: Photo, **options: object) -> Frame:
            dawdle(photo)
            return restore(self, photo, **options)

        monkeypatch.setattr(Restorer, "restore_frame", slow_restore)
    options = FileOptions(timeout=0.3)
    first, second = restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer, options=options)
    assert first.error is None
    assert second.error == f"{second.source}: took longer than 0.3 s and was given up; a longer `timeout` allows more"
    assert second.seconds < 10
    assert list(snapshot(tmp_path / "out")) == ["a.png"]


@pytest.mark.parametrize(
    "limit", [{"timeout": -1.0}, {"timeout": float("nan")}, {"max_pixels": 0}, {"existing": "keep"}]
)
def test_options_that_cannot_be_are_refused(limit: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        FileOptions(**limit)


def test_out_of_memory_is_one_line_and_the_others_go_on(
    tmp_path: Path, restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "in" / "a.png", 7)
    picture(tmp_path / "in" / "b.png")
    real = Restorer.restore_frame

    def greedy(self: Restorer, photo: Photo, **options: object) -> Frame:
        if photo.pixels.max() == 7:
            np.empty(2**60, np.uint8)
        return real(self, photo, **options)

    monkeypatch.setattr(Restorer, "restore_frame", greedy)
    first, second = restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer)
    assert "needs more memory than there is" in str(first.error)
    assert second.error is None


def test_what_killed_runs_left_behind_is_swept(tmp_path: Path, restorer: Restorer) -> None:
    picture(tmp_path / "in" / "deep" / "a.png")
    (tmp_path / "out" / "deep").mkdir(parents=True)
    abandoned = left_behind(tmp_path / "out" / "deep", ".png")
    list(restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer))
    assert not abandoned.exists()


def test_names_of_every_kind_are_names(tmp_path: Path, restorer: Restorer) -> None:
    names = [b"a\nb.png", b"\xff\xfe.png", b"--help.png", b"-.png", "\u202eü 😀.png".encode(), b"x" * 251 + b".png"]
    for name in names:
        picture(tmp_path / "in" / os.fsdecode(name))
    results = list(restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer))
    assert [result.error for result in results] == [None] * len(names)
    written = {os.fsencode(path.name) for path in (tmp_path / "out").iterdir()}
    assert written == {*names, NAME.encode()}
    assert all(
        result.skipped
        for result in restore_files(
            [tmp_path / "in"], tmp_path / "out", restorer=restorer, options=FileOptions(existing="resume")
        )
    )


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp"])
def test_pictures_too_large_for_memory_are_done_by_rows_where_that_can_be_written(
    tmp_path: Path, restorer: Restorer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = textured(tmp_path / name)
    (whole,) = restore_files([source], tmp_path / f"whole_{name}", restorer=restorer)
    monkeypatch.setattr("pellucid.imaging.picture.LARGE", 1000)
    started = []
    (by_rows,) = restore_files(
        [source], tmp_path / f"rows_{name}", restorer=restorer, on_start=lambda _, read: started.append(read.pixels)
    )
    assert (by_rows.error, by_rows.read, by_rows.watch) == (None, whole.read, whole.watch)
    assert started == [96 * 80]
    pixels = [np.asarray(Image.open(str(result.target)), np.int16) for result in (whole, by_rows)]
    assert np.abs(pixels[0] - pixels[1]).max() <= (12 if name == "a.jpg" else 0)


def animation(path: Path, count: int = 3) -> Path:
    """Write frames of several greys, shown for 50 ms each."""
    frames = [Image.new("RGB", (16, 12), (40 * index,) * 3) for index in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, loop=0, lossless=True)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_several_pictures_in_a_file_are_restored_one_by_one(tmp_path: Path, restorer: Restorer, name: str) -> None:
    source = animation(tmp_path / name)
    started, pixels = [], []
    (result,) = restore_files(
        [source], restorer=restorer, on_start=lambda _, read: started.append(read), on_tile=pixels.append
    )
    assert (result.error, result.watch) == (None, None)
    assert set(result.warnings) == {"the network changed nothing at all"}
    assert [watch.tiles for watch in result.frames] == [1, 1, 1]
    assert result.read == started[0]
    assert (started[0].frames, started[0].pixels, sum(pixels)) == (3, 3 * 192, 3 * 192)
    with Image.open(str(result.target)) as made:
        assert made.n_frames == 3
        for index in range(3):
            made.seek(index)
            assert np.asarray(made.convert("RGB")).max() == 40 * index


def test_frames_that_a_format_cannot_hold_are_refused_before_the_work(tmp_path: Path, restorer: Restorer) -> None:
    source = animation(tmp_path / "a.gif")
    (result,) = restore_files([source], tmp_path / "b.jpg", restorer=restorer)
    assert "JPEG holds one picture" in str(result.error)
    assert not restorer.network.seen
    assert not (tmp_path / "b.jpg").exists()


def test_a_frame_that_fails_leaves_no_file(tmp_path: Path, restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    source = animation(tmp_path / "a.gif")
    real = Restorer.restore_frame

    def fail_on_the_last(self: Restorer, photo: Photo, **options: object) -> Frame:
        if photo.pixels.max() == 80:
            raise RestoreError("out of luck")
        return real(self, photo, **options)

    monkeypatch.setattr(Restorer, "restore_frame", fail_on_the_last)
    (result,) = restore_files([source], restorer=restorer)
    assert result.error == f"{source}: out of luck"
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_frames_are_gone_on_with(tmp_path: Path, restorer: Restorer) -> None:
    animation(tmp_path / "in.gif")
    target = tmp_path / "out.gif"
    for damage, is_skipped in ((None, False), (None, True), (2, False), (3, True)):
        if damage:
            animation(target, damage)
        (result,) = restore_files(
            [tmp_path / "in.gif"], target, restorer=restorer, options=FileOptions(existing="resume")
        )
        assert (result.error, result.skipped) == (None, is_skipped)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "gif", "bmp", "ppm", "avif"])
def test_damaged_files_are_restored_or_refused_in_one_line(
    tmp_path: Path, restorer: Restorer, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    whole = textured(tmp_path / f"whole.{ending}", (24, 16)).read_bytes()
    rng = np.random.default_rng(0)
    for index in range(24):
        damaged = bytearray(whole)
        if index % 2:
            del damaged[rng.integers(1, len(damaged)) :]
        for place in rng.integers(0, len(damaged), index % 3):
            damaged[place] ^= 1 << rng.integers(8)
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{index}.{ending}").write_bytes(damaged)
    with caplog.at_level("DEBUG", "pellucid"):
        results = list(restore_files([tmp_path / "in"], tmp_path / "out", restorer=restorer))
    assert not [record for record in caplog.records if record.exc_info]
    for result in results:
        assert result.error is None or (result.error.startswith(result.source) and "\n" not in result.error)
    assert {path.stem for path in (tmp_path / "out").glob(f"*.{ending}")} == {
        Path(result.source).stem for result in results if result.error is None
    }
    assert any(result.error for result in results)
    assert any(result.error is None for result in results)
