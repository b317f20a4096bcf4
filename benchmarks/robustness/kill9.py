"""A folder run that is killed at random moments and gone on with: no half file, and in the end the same bytes.

    python -m benchmarks kill9 --kills 50

Restores a folder of made-up photos undisturbed, and times it. Then it begins anew into an empty folder, kills the
process (SIGKILL) after a random part of that time, every other time as soon as a file is being written then, looks at
every file under a final name, and goes on with ``--resume``; when a run comes to its end before it is killed, all its
files are compared and the next one begins. The exit code is 1 as soon as a file is not that of the undisturbed run.
It stops early after ``--minutes``.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.made_up import ENDINGS, write_photos

SIZE = (256, 192)
TEMPORARY = ".pellucid-"


def restore(photos: Path, output: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pellucid", "restore", str(photos), "-o", str(output), "--resume"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything under a final name."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def unfinished(folder: Path) -> set[str]:
    """Names of files that are being written, or were."""
    return {path.name for path in folder.rglob(f"{TEMPORARY}*") if path.name.endswith(ENDINGS)}


def kill(process: "subprocess.Popen[bytes]", output: Path, left: set[str], *, while_writing: bool) -> None:
    """Kill a process, perhaps as soon as it writes a file beside those that others left; it may end before."""
    while while_writing and process.poll() is None and unfinished(output) <= left:
        time.sleep(0.001)
    process.kill()
    process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, end = random.Random(arguments.seed), time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos, run = folder / "photos", 0
        write_photos(photos, arguments.photos, SIZE)
        started = time.monotonic()
        assert restore(photos, folder / "undisturbed").wait() == 0
        seconds, expected = time.monotonic() - started, contents(folder / "undisturbed")
        print(f"{len(expected)} photos, undisturbed in {seconds:.0f} s", flush=True)

        kills = in_writing = completed = of_this_run = 0
        while (kills < arguments.kills or of_this_run) and time.monotonic() < end:
            output = folder / f"run{run}"
            left, process = unfinished(output), restore(photos, output)
            try:
                code = process.wait(None if kills == arguments.kills else rng.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                kill(process, output, left, while_writing=kills % 2 == 1)
                kills, of_this_run = kills + 1, of_this_run + 1
                in_writing += not unfinished(output) <= left
                found = contents(output)
                wrong = [name for name, data in found.items() if expected.get(name) != data]
                print(f"kill {kills}: {len(found)} files there, {len(wrong)} wrong", flush=True)
                if wrong:
                    sys.exit(f"not as in the undisturbed run: {', '.join(wrong)}")
                continue
            if code or contents(output) != expected or unfinished(output):
                sys.exit(f"after {of_this_run} kills the run ended with code {code}, and not as the undisturbed one")
            completed += of_this_run > 0
            run, of_this_run = run + 1, 0
    print(f"{kills} kills, {in_writing} while a file was written; {completed} runs gone on with to the end:")
    print("every file under a final name whole at every moment, and in the end all as in the undisturbed run")
