import os
import socket
from pathlib import Path

import pytest

from pellucid.errors import ConfigError
from pellucid.files.plan import Plan, plan_files

from conftest import picture


def targets(plan: Plan) -> list[str]:
    return [str(job.target) for job in plan.jobs]


def test_without_an_output_the_result_lies_beside_the_input(tmp_path: Path) -> None:
    source = picture(tmp_path / "rainy.day.jpg")
    assert targets(plan_files([source])) == [str(tmp_path / "rainy.day_restored.jpg")]
    assert targets(plan_files([source], suffix="clear")) == [str(tmp_path / "rainy.day_clear.jpg")]


def test_one_file_to_one_file_may_change_format(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.jpg")
    assert targets(plan_files([source], tmp_path / "b.png")) == [str(tmp_path / "b.png")]


@pytest.mark.parametrize("output", ["out/", "out", "existing"])
def test_one_file_into_a_folder(tmp_path: Path, output: str) -> None:
    (tmp_path / "existing").mkdir()
    source = picture(tmp_path / "a.jpg")
    into = f"{tmp_path}/{output}"
    assert targets(plan_files([source], into)) == [str(tmp_path / output.rstrip("/") / "a.jpg")]


def test_folders_are_mirrored(tmp_path: Path) -> None:
    for name in ("a.jpg", "deep/er/b.png", "c.gif", "deep/.hidden.png", "notes.txt", "raw.nef"):
        if name.endswith(("txt", "nef")):
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in" / name).write_text("no picture")
        else:
            picture(tmp_path / "in" / name)
    plan = plan_files([tmp_path / "in"], tmp_path / "out")
    # camera raw is read but not written
    assert targets(plan) == [str(tmp_path / "out" / name) for name in ("a.jpg", "c.gif", "deep/er/b.png", "raw.png")]
    beside = plan_files([tmp_path / "in"])
    assert targets(beside)[0] == str(tmp_path / "in_restored" / "a.jpg")


def test_pictures_that_cannot_be_read_yet_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.JXL").write_bytes(b"")
    assert len(plan_files([tmp_path]).jobs) == 1
    assert "1 pictures of kinds that cannot be read" in caplog.text


def test_several_pictures_do_not_become_one_file(tmp_path: Path) -> None:
    sources = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")]
    with pytest.raises(ConfigError, match="cannot become one file"):
        plan_files(sources, tmp_path / "both.jpg")


def test_a_suffix_is_part_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="suffix"):
        plan_files([picture(tmp_path / "a.png")], suffix="x/y")


def test_globs_are_expanded_also_when_the_shell_did_not(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b.png", "deep/a3.png"):
        picture(tmp_path / name)
    plan = plan_files([str(tmp_path / "a*.png")], tmp_path / "out")
    assert targets(plan) == [str(tmp_path / "out" / name) for name in ("a1.png", "a2.png")]
    assert len(plan_files([str(tmp_path / "**" / "a*.png")], tmp_path / "out").jobs) == 3


def test_two_results_never_share_a_place(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "x" / "a.png"), picture(tmp_path / "y" / "a.png")
    plan = plan_files([first, second], tmp_path / "out")
    assert [job.source for job in plan.jobs] == [first]
    assert f"{second}: would be written to" in plan.failures[0][1]
    assert len(plan_files([first, first], tmp_path / "out").jobs) == 1


def test_an_ending_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.jpgg"):
        plan_files([picture(tmp_path / "a.png")], tmp_path / "b.jpgg")


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    """A folder of things that have a picture's name and are none."""
    folder = tmp_path / "odd"
    picture(folder / "fine.png")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "nothing.png").symlink_to("no-such.png")
    (folder / "folder").symlink_to(".")
    return folder


ODD = {
    "device.png": "is a device",
    "loop.png": "leads back to itself",
    "nothing.png": "is not there",
    "pipe.png": "is a pipe; name '-'",
    "socket.png": "is a socket",
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_file_is_refused_unopened(odd_files: Path, name: str) -> None:
    plan = plan_files([odd_files / name])
    assert not plan.jobs
    ((source, error),) = plan.failures
    assert source == str(odd_files / name)
    assert error.startswith(f"{source}: ")
    assert ODD[name] in error


@pytest.mark.parametrize("pattern", ["", "*.png"])
def test_in_a_folder_or_pattern_it_is_refused_and_the_rest_is_done(
    odd_files: Path, pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_files([odd_files / pattern], odd_files.parent / "out")
    assert [job.source.name for job in plan.jobs] == ["fine.png"]
    assert {Path(source).name for source, _ in plan.failures} == set(ODD)
    assert ("1 links to folders are not followed" in caplog.text) == (not pattern)


def test_a_folder_that_cannot_be_searched_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "locked" / "b.png")
    real = os.scandir

    def locked(place: Path) -> object:
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied", str(place))  # which root would not meet
        return real(place)

    monkeypatch.setattr(os, "scandir", locked)
    plan = plan_files([tmp_path / "in"], tmp_path / "out")
    assert [job.source.name for job in plan.jobs] == ["a.png"]
    assert plan.failures[0][1] == f"{tmp_path / 'in' / 'locked'}: cannot be searched (Permission denied)"


def test_a_name_that_would_be_too_long_is_refused_before_the_work(tmp_path: Path) -> None:
    source = picture(tmp_path / f"{'x' * 245}.png")
    ((_, error),) = plan_files([source]).failures
    assert "would have 258 bytes, and 255 is the most" in error
    assert plan_files([source], tmp_path / "out").jobs


def test_a_format_changes_endings_but_for_those_that_mean_it_already(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JPEG", "c.png", "d.gif"):
        picture(tmp_path / "in" / name)
    plan = plan_files([tmp_path / "in"], tmp_path / "out", format="JPG")
    assert [job.target.name for job in plan.jobs] == ["a.jpg", "b.JPEG", "c.jpg", "d.jpg"]
    (job,) = plan_files([tmp_path / "in" / "a.jpg"], format="png").jobs
    assert job.target.name == "a_restored.png"


@pytest.mark.parametrize(
    ("output", "format", "message"), [("b.jpg", "png", "disagree"), (None, "pgn", "'pgn'"), ("out/", ".doc", "'.doc'")]
)
def test_formats_that_cannot_be_are_refused(tmp_path: Path, output: str | None, format: str, message: str) -> None:
    source = picture(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=message):
        plan_files([source], output and f"{tmp_path}/{output}", format=format)
    assert plan_files([source], tmp_path / "b.jpg", format="jpeg").jobs


@pytest.mark.parametrize(("format", "warned"), [(None, False), ("webp", True), ("png", False), ("jpg", False)])
def test_one_warning_where_a_lossy_picture_is_compressed_in_another_way(
    tmp_path: Path, format: str | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.jpg", "b.jpeg", "c.png"):
        picture(tmp_path / "in" / name)
    plan_files([tmp_path / "in"], tmp_path / "out", format=format)
    assert ("2 pictures go from one lossy format to another" in caplog.text) == warned
