"""What --skip-existing and --resume pass over, and what is made again."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from pellucid.files import FileOptions, FileResult, restore_files
from pellucid.files.journal import NAME
from pellucid.files.options import Existing
from pellucid.inference import Restorer

from conftest import Identity, picture

Again = Callable[..., dict[str, FileResult]]


class Darker(Identity):
    """Another network."""

    def forward(self, image):
        return super().forward(image) / 2


@pytest.fixture
def again(tmp_path: Path) -> Again:
    """Restore a folder of three once more, and tell what became of each."""
    for index, name in enumerate(("a.png", "b.png", "deep/c.png")):
        picture(tmp_path / "in" / name, 100 + index)

    def run(existing: Existing, network: nn.Module | None = None, **options: object) -> dict[str, FileResult]:
        restorer = Restorer(network or Identity(), **{"tile": "off", **options})
        results = restore_files(
            [tmp_path / "in"], tmp_path / "out", restorer=restorer, options=FileOptions(existing=existing)
        )
        return {Path(result.source).name: result for result in results}

    return run


def made(results: dict[str, FileResult]) -> list[str]:
    assert [result.error for result in results.values()] == [None] * len(results)
    return [name for name, result in results.items() if not result.skipped]


@pytest.mark.parametrize("existing", ["skip", "resume"])
def test_what_is_done_is_skipped_and_the_rest_is_made(again: Again, tmp_path: Path, existing: Existing) -> None:
    again("refuse")
    (tmp_path / "out" / "b.png").unlink()
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    results = again(existing)
    assert made(results) == ["b.png"]
    assert results["a.png"].target == str(tmp_path / "out" / "a.png")
    assert results["a.png"].read is None
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
    assert made(again(existing)) == []


def test_a_damaged_result_is_made_again(again: Again, tmp_path: Path) -> None:
    again("refuse")
    target = tmp_path / "out" / "a.png"
    whole = target.read_bytes()
    target.write_bytes(whole[:-20])
    assert made(again("skip")) == []
    assert made(again("resume")) == ["a.png"]
    assert target.read_bytes() == whole


def test_an_input_that_changed_is_restored_again(again: Again, tmp_path: Path) -> None:
    again("refuse")
    picture(tmp_path / "in" / "a.png", 7)
    os.utime(tmp_path / "in" / "b.png", ns=(1, 1))
    assert made(again("resume")) == ["a.png", "b.png"]
    assert np.asarray(Image.open(tmp_path / "out" / "a.png")).max() == 7
    assert made(again("resume")) == []


def test_another_network_or_setting_makes_everything_again(again: Again) -> None:
    again("refuse")
    assert len(made(again("resume", Darker()))) == 3
    assert len(made(again("resume"))) == 3
    assert len(made(again("resume", overlap=0))) == 3
    assert made(again("resume", overlap=0)) == []


@pytest.mark.parametrize("journal", [None, "", "{", '{"target": 1}\n[]\n\xff\n'])
def test_without_a_journal_a_result_that_is_whole_and_fits_is_believed(
    again: Again, tmp_path: Path, journal: str | None
) -> None:
    again("refuse")
    (tmp_path / "out" / NAME).unlink()
    if journal is not None:
        (tmp_path / "out" / NAME).write_text(journal)
    whole = (tmp_path / "out" / "a.png").read_bytes()
    (tmp_path / "out" / "a.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (3, 3)).save(tmp_path / "out" / "b.png")
    assert made(again("resume")) == ["a.png", "b.png"]


def test_a_line_that_was_cut_short_costs_no_other(again: Again, tmp_path: Path) -> None:
    again("refuse")
    journal = tmp_path / "out" / NAME
    lines = journal.read_text().splitlines()
    assert [json.loads(line)["target"] for line in lines] == ["a.png", "b.png", "deep/c.png"]
    journal.write_text("\n".join([*lines[:2], lines[2][:40]]))
    assert made(again("resume")) == []


def test_a_single_picture_leaves_no_journal(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    list(restore_files([source], f"{tmp_path}/out/", restorer=Restorer(Identity(), tile="off")))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_a_journal_that_cannot_be_written_costs_no_result(again: Again, tmp_path: Path) -> None:
    (tmp_path / "out" / NAME).mkdir(parents=True)
    assert len(made(again("refuse"))) == 3
    assert made(again("resume")) == []


def test_a_link_to_nothing_in_the_place_of_a_result_gives_way_to_it(again: Again, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to("nowhere.png")
    assert made(again("skip")) == ["b.png", "c.png"]
    assert made(again("resume")) == ["a.png"]
    assert not (tmp_path / "out" / "a.png").is_symlink()
