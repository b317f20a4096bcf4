"""Thousands of damaged and hostile picture files: each is restored or refused in one line, within its time and memory.

    python -m benchmarks fuzz --files 20000 --state fuzz/

Takes a picture of every format that pellucid writes, several of some, and the files of ``--seeds`` if there are any;
cuts them short, flips bits, splices two, repeats, drops and overwrites parts, and writes absurd numbers into their
heads. Every file goes through ``restore_files`` with a network that does nothing, every other one as if it were too
large to be held in memory, in a process whose memory and time are limited. Failures are: a traceback, an error that is
none of pellucid's own or no single line, a process that dies or hangs, more time or memory than the limits, a result
that cannot be read. Each is kept, and can be tried again:

    python -m benchmarks fuzz --state fuzz/ --only 1234

What a file of a number is depends on ``--seed`` and the number alone. A run that was stopped is gone on with, and
``--minutes`` stops it.
"""

import argparse
import json
import logging
import os
import random
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
from PIL import Image

from benchmarks.machine import held_by
from benchmarks.made_up import Identity
from benchmarks.robustness.damage import mutate
from pellucid.files import FileOptions, FileResult, restore_files
from pellucid.imaging import (
    WRITABLE_SUFFIXES,
    Photo,
    check_writable_suffix,
    open_picture,
    picture,
    write_photo,
)
from pellucid.imaging.carried import Text
from pellucid.inference import Restorer

SIZE = (24, 40)
PATIENCE = 4  # limits of time after which the process is killed
MEMORY = 2**30  # of address space, beyond what the process has when it begins
BEYOND_LIMITS = ("fit in memory", "more memory", "enough memory", "longer than")
OF_THE_RESULT = "holds at most"  # a picture with more than its own format can have
LARGEST_SEED = 2**18  # bytes: what takes long without damage tells nothing
MAX_PIXELS = 16_000_000


def make_seeds(folder: Path) -> None:
    """A picture of every kind that can be written."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("pellucid").setLevel(logging.ERROR)  # much is said of what formats cannot hold
    formats = {check_writable_suffix(f"x{suffix}"): suffix for suffix in sorted(WRITABLE_SUFFIXES)}
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        for channels in (1, 3):
            for has_alpha in (False, True):
                top = int(np.iinfo(dtype).max)
                pixels = rng.integers(0, top, (*SIZE, channels), dtype, endpoint=True)
                alpha = rng.integers(0, top, SIZE, dtype, endpoint=True) if has_alpha else None
                photo = Photo(
                    pixels=pixels,
                    alpha=alpha,
                    xmp=b"<x:xmpmeta/>",
                    dpi=(300.0, 300.0),
                    exif=_exif(),
                    text=(Text("Comment", "fuzz"), Text("Title", "é")),
                )
                for suffix in formats.values():
                    name = f"{np.dtype(dtype).name}-{channels}{'-alpha' * has_alpha}{suffix}"
                    write_photo(photo, folder / name)
    frames = [Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)) for _ in range(4)]
    for name in ("frames.gif", "frames.webp", "frames.png", "frames.tif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=40)
    for compression in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        frames[0].save(folder / f"{compression}.tif", compression=compression)
    frames[0].convert("CMYK").save(folder / "cmyk.jpg")
    frames[0].save(folder / "progressive.jpg", progressive=True)
    frames[0].quantize(16).save(folder / "palette.png")
    frames[0].convert("1").save(folder / "bits.pbm")


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    return b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")


def make_file(number: int, seed: int, seeds: list[Path]) -> tuple[bytes, str]:
    """The file of a number, and the ending of its name."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choice(sorted({path.suffix.lower() for path in seeds}))  # most of a folder may be of one
    source, other = rng.choice([path for path in seeds if path.suffix.lower() == kind]), rng.choice(seeds)
    return mutate(source.read_bytes(), other.read_bytes(), rng), source.suffix


class Tracebacks(logging.Handler):
    """Keeps what is logged where a defect becomes a line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.noted: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.noted.append("".join(traceback.format_exception(*record.exc_info)))


def work(numbers: range, seed: int, state: Path, seeds: list[Path], results: IO[str], seconds: float) -> None:
    """Restore files in this process, noting each before it and how it went after it."""
    tracebacks, log = Tracebacks(), logging.getLogger("pellucid")
    log.addHandler(tracebacks)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    network = Identity(SimpleNamespace(in_channels=3, out_channels=3))
    restorer, usually_large = Restorer(network, tile=320, device="cpu"), picture.LARGE
    options = FileOptions(existing="overwrite", max_pixels=MAX_PIXELS, timeout=seconds)
    list(
        restore_files([seeds[0]], state / "first.png", restorer=restorer, options=options)
    )  # loads what is to be loaded
    resource.setrlimit(resource.RLIMIT_AS, (held_by("self", "VmSize") + MEMORY,) * 2)
    for number in numbers:
        data, ending = make_file(number, seed, seeds)
        source = state / f"source{ending}"
        source.write_bytes(data)
        tracebacks.noted.clear()
        picture.LARGE = 100 if number % 2 else usually_large
        print(json.dumps({"begun": number}), file=results, flush=True)
        started = time.monotonic()
        (result,) = restore_files([source], state / "restored", restorer=restorer, options=options)
        outcome = {
            "number": number,
            "seconds": time.monotonic() - started,
            "error": result.error,
            "failure": "\n".join(tracebacks.noted) or fault_of(result, source),
        }
        print(json.dumps(outcome), file=results, flush=True)


def fault_of(result: FileResult, source: Path) -> str | None:
    """What is wrong with a result or a refusal, if anything."""
    error = result.error
    if error is None:
        try:
            for frame in open_picture(str(result.target)).frames():
                frame.array()
        except Exception as problem:
            return f"the result cannot be read: {problem}"
        return None
    about = str(source.with_name("restored") / source.name) if OF_THE_RESULT in error else str(source)
    if "\n" in error or not error.startswith(about):
        return f"no line about the file: {error!r}"
    return error if any(limit in error for limit in BEYOND_LIMITS) else None


def outcomes(results: Path) -> list[dict[str, Any]]:
    """How each file went that is done, by its number."""
    lines = results.read_text().splitlines() if results.exists() else []
    return [line for line in map(json.loads, lines) if "number" in line]


def supervise(process: "subprocess.Popen[bytes]", results: Path, end: float, patience: float) -> str:
    """Wait for a worker, and end it when it hangs or time is over: how it ended."""
    while process.poll() is None:
        time.sleep(0.5)
        if time.time() - results.stat().st_mtime > patience:
            process.kill()
            process.wait()
            return f"hung for {patience:.0f} s"
        if time.monotonic() > end:
            process.kill()
            process.wait()
            return ""
    return f"ended with code {process.returncode}" if process.returncode else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--state", type=Path, default=Path("fuzz"), help="a folder for results and failures")
    parser.add_argument("--seeds", type=Path, help="a folder of more pictures to damage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10, help="for each file; more on a busy machine")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", type=int, help="the number of one file")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    state, results, end = arguments.state, arguments.state / "results.jsonl", time.monotonic() + 60 * arguments.minutes
    if not (state / "seeds").exists():
        make_seeds(state / "seeds")
    more = [path for path in arguments.seeds.rglob("*") if path.is_file()] if arguments.seeds else []
    seeds = sorted((state / "seeds").iterdir()) + sorted(
        path for path in more if 0 < path.stat().st_size < LARGEST_SEED
    )
    if arguments.only is not None:
        work(range(arguments.only, arguments.only + 1), arguments.seed, state, seeds, sys.stdout, arguments.seconds)
        return
    if arguments.first is not None:
        with results.open("a") as file:
            work(range(arguments.first, arguments.files), arguments.seed, state, seeds, file, arguments.seconds)
        return

    results.touch()
    while (first := len(outcomes(results))) < arguments.files and time.monotonic() < end:
        os.utime(results)
        with (state / "stderr.txt").open("wb") as errors:
            command = [sys.executable, "-m", "benchmarks", "fuzz", *sys.argv[1:], "--first", str(first)]
            ending = supervise(subprocess.Popen(command, stderr=errors), results, end, PATIENCE * arguments.seconds)
        if ending:
            number = len(outcomes(results))
            said = (state / "stderr.txt").read_text(errors="replace")[-2000:]
            outcome = {"number": number, "seconds": 0.0, "error": None, "failure": f"the process {ending}: {said}"}
            with results.open("a") as file:
                print(json.dumps(outcome), file=file)
    report(outcomes(results), arguments.seed, state, seeds)


def report(done: list[dict[str, Any]], seed: int, state: Path, seeds: list[Path]) -> None:
    """Print figures, keep the files that failed, and exit with 1 if there are any."""
    failures = [outcome for outcome in done if outcome["failure"]]
    for outcome in failures:
        data, ending = make_file(outcome["number"], seed, seeds)
        (state / f"failure{outcome['number']}{ending}").write_bytes(data)
        print(f"{outcome['number']}{ending}: {outcome['failure'].strip().splitlines()[-1]}")
    refused = sum(outcome["error"] is not None for outcome in done)
    slowest = max((outcome["seconds"] for outcome in done), default=0.0)
    print(
        f"{len(done)} files: {len(done) - refused} restored, {refused} refused in one line, {len(failures)} failures; "
        f"slowest {slowest:.2f} s"
    )
    sys.exit(1 if failures else 0)
