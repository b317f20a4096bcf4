"""Files that are whole or not there, whoever else is writing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pellucid.atomic import HOST, cache_folder, replacing, sweep

from conftest import left_behind

WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from pellucid.atomic import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".pellucid-")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_goes_wrong_the_file_is_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("after")
        assert temporary.suffix == ".txt"
        raise error
    assert path.read_text() == "before"
    assert hidden(tmp_path) == []


def test_what_a_killed_process_left_is_swept_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path / "a.txt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sweep(tmp_path)
        assert len(hidden(tmp_path)) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(hidden(tmp_path)) == 1
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_this_process_knows_what_it_is_writing(tmp_path: Path) -> None:
    former = tmp_path / f".pellucid-{HOST}-{os.getpid()}-{'0' * 16}.txt"  # of a container's, say, whose number it was
    former.write_text("half")
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
        sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_of_another_machine_only_old_files_are_swept(tmp_path: Path) -> None:
    path = left_behind(tmp_path, ".txt")
    elsewhere = path.rename(path.with_name(path.name.replace(HOST, "0123abcd")))
    sweep(tmp_path)
    assert elsewhere.exists()
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(elsewhere, (two_days_ago, two_days_ago))
    sweep(tmp_path)
    assert not elsewhere.exists()


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    for name in (".pellucid-journal.jsonl", ".pellucid-notes.txt", "a.txt"):
        (tmp_path / name).write_text("mine")
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(FileNotFoundError, match="XDG_CACHE_HOME"):
        cache_folder("native")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder("native") == Path("/somewhere/pellucid/native")
