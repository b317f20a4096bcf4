from pathlib import Path

import pytest

from pellucid.errors import ConfigError
from pellucid.inference.plan import Plan, plan_files

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
    for name in ("a.jpg", "deep/er/b.png", "c.gif", "deep/.hidden.png", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / "in" / name).write_text("no picture")
        else:
            picture(tmp_path / "in" / name)
    plan = plan_files([tmp_path / "in"], tmp_path / "out")
    # GIF is read but not written
    assert targets(plan) == [str(tmp_path / "out" / name) for name in ("a.jpg", "c.png", "deep/er/b.png")]
    beside = plan_files([tmp_path / "in"])
    assert targets(beside)[0] == str(tmp_path / "in_restored" / "a.jpg")


def test_pictures_that_cannot_be_read_yet_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.HEIC").write_bytes(b"")
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
