"""A folder run that is killed, stopped, short of disk or not alone: whole files or none, and a way to go on."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pellucid
from pellucid.files.journal import NAME

from conftest import Run, textured

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(8):
        textured(tmp_path / "in" / f"sub{seed % 2}" / f"{seed}.png", (64, 48), seed=seed)
    return tmp_path / "in"


@pytest.fixture
def start(photos: Path, weights: Path) -> Start:
    """Begin to restore the photos to a folder, in a process of its own."""

    def begin(output: Path, *options: object, **how: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "pellucid", "restore", photos, "-o", output, "-m", weights, *options]
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # as in this process: sums are taken in another order by two
            **{"preexec_fn": _heed_signals, **how},
        )

    return begin


def _heed_signals() -> None:
    """Undo what nohup (SIGHUP) and a shell's ``&`` (SIGINT), should they be around these tests, have ignored."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def undisturbed(command: Run, photos: Path, weights: Path, tmp_path: Path) -> dict[str, bytes]:
    """What a run gives that nothing happens to."""
    assert command("restore", photos, "-o", tmp_path / "undisturbed", "-m", weights)[0] == 0
    return contents(tmp_path / "undisturbed")


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the journal."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def end_after(process: "subprocess.Popen[str]", files: int, number: signal.Signals) -> tuple[int, str]:
    """Send a signal once so many files are done: exit code and what was said on stderr."""
    assert process.stdout is not None
    for _ in range(files):
        process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_a_run_that_was_killed_is_gone_on_with_to_the_same_bytes(
    command: Run, start: Start, photos: Path, weights: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    output = tmp_path / "out"
    code, _ = end_after(start(output), 3, signal.SIGKILL)
    assert code == -signal.SIGKILL
    done = {name: data for name, data in contents(output).items() if not Path(name).name.startswith(".pellucid-")}
    assert 3 <= len(done) < 8
    assert done.items() <= undisturbed.items()

    code, printed, errors = command("restore", photos, "-o", output, "-m", weights, "--resume")
    assert code == 0
    assert 1 <= len(printed.splitlines()) <= 5
    assert f"{8 - len(printed.splitlines())} of 8 skipped" in errors
    assert contents(output) == undisturbed


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_leaves_whole_files_only(
    start: Start, tmp_path: Path, undisturbed: dict[str, bytes], number: signal.Signals, expected: int
) -> None:
    report = tmp_path / "report.json"
    code, errors = end_after(start(tmp_path / "out", "--report", report), 2, number)
    assert code == expected
    assert errors.startswith("pellucid: stopped after ")
    assert errors.count("\n") == 1
    assert len(json.loads(report.read_text())["files"]) >= 2
    assert contents(tmp_path / "out").items() < undisturbed.items()


def test_two_runs_into_one_folder_do_not_harm_each_other(
    start: Start, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    processes = [start(tmp_path / "out", option) for option in ("--overwrite", "--resume")]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert contents(tmp_path / "out") == undisturbed


def test_a_full_disk_is_one_line_for_each_file_and_leaves_nothing(start: Start, photos: Path, tmp_path: Path) -> None:
    """A limit to the size of files fails writes half-way, as a full disk does."""

    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = start(tmp_path / "out", preexec_fn=little_space)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert printed == ""
    lines = errors.splitlines()
    assert len(lines) == 8 + 1 + 8
    assert all("cannot be written (File too large)" in line for line in lines if line != "pellucid: 8 of 8 failed:")
    assert contents(tmp_path / "out") == {}


def test_a_user_without_a_home_or_a_name_is_served(tmp_path: Path, photos: Path, weights: Path) -> None:
    nobody = ["unshare", "--map-user=12345", "--map-group=12345"]
    if not shutil.which("unshare") or subprocess.run([*nobody, "true"], capture_output=True).returncode:
        pytest.skip("users cannot be made up here")
    bare = ["env", "-i", f"PATH={os.environ['PATH']}", f"PYTHONPATH={Path(pellucid.__file__).parents[1]}"]
    command = [
        *nobody,
        *bare,
        sys.executable,
        "-m",
        "pellucid",
        "restore",
        photos,
        "-o",
        tmp_path / "out",
        "-m",
        weights,
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 8
