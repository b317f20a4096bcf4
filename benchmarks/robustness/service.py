"""How the service bears many clients, some of them bad.

    python benchmarks/robustness/service.py [--clients 64] [--seconds 120]

Clients send pictures of 0.1 to 24 megapixels for so long, and among them bombs, files that are cut short, texts, bodies
that come too slowly, and connections that are dropped halfway. Halfway a worker is killed. Each answer is checked: a
picture must come back byte for byte as ``restore_files`` writes it, all else as a problem of one sentence. The same
pictures go through ``restore_files`` alone, for the throughput. Everything stays on 127.0.0.1.
"""

import argparse
import asyncio
import io
import json
import os
import random
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image
from skimage import data

MEGAPIXELS = (0.1,) * 12 + (0.25,) * 8 + (1.0,) * 4 + (2.0,) * 2 + (24.0,)  # as often as they come
BAD = ("bomb", "cut", "text", "slow", "dropped")


@dataclass
class Tally:
    """What was answered."""

    seconds: list[float] = field(default_factory=list)
    megapixels: float = 0.0
    statuses: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    peak: int = 0


def pictures() -> dict[float, bytes]:
    """Megapixels → a JPEG of so many, noisy."""
    photo, made = Image.fromarray(data.astronaut()), {}
    for size in dict.fromkeys(MEGAPIXELS):
        width = round((size * 1e6 * 1.5) ** 0.5)
        pixels = np.asarray(photo.resize((width, round(width / 1.5))), np.float32)
        noisy = pixels + np.random.default_rng(0).normal(0, 15, pixels.shape)
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        made[size] = file.getvalue()
    return made


def bomb() -> bytes:
    """A PNG of 200 bytes that says it has 3,600 megapixels."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(bytes(9999))}
    whole = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


async def client(number: int, base: str, sent: dict, expected: dict, end: float, tally: Tally) -> None:
    """One client: a picture or something bad, again and again."""
    rng = random.Random(number)
    async with httpx2.AsyncClient(base_url=base, timeout=600) as http:
        while time.monotonic() < end:
            try:
                if rng.random() < 0.25:
                    await _bad(rng.choice(BAD), http, sent, rng, tally)
                else:
                    await _good(rng.choice(MEGAPIXELS), http, sent, expected, end, tally)
            except httpx2.HTTPError as error:
                tally.wrong.append(f"{type(error).__name__}: {error}")


async def _good(size: float, http, sent: dict, expected: dict, end: float, tally: Tally) -> None:
    started = time.monotonic()
    answer = await http.post("/v1/restore?task=denoise", content=sent[size])
    tally.statuses[answer.status_code] += 1
    if answer.status_code == 200:
        tally.seconds.append(time.monotonic() - started)
        tally.megapixels += size
        if answer.content != expected[size]:
            tally.wrong.append(f"{size} megapixels came back otherwise")
        return
    _check_problem(answer, (429, 500), tally)
    if answer.status_code == 429:
        await asyncio.sleep(min(int(answer.headers["retry-after"]), max(end - time.monotonic(), 0)) + 0.1)


async def _bad(kind: str, http, sent: dict, rng: random.Random, tally: Tally) -> None:
    picture = sent[0.1]
    if kind == "dropped":
        _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        head = f"POST /v1/restore HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(picture)}\r\n\r\n"
        writer.write(head.encode() + picture[: rng.randrange(len(picture) + 1)])
        await writer.drain()
        await asyncio.sleep(rng.random())
        writer.close()
        tally.statuses["dropped"] += 1
        return
    if kind == "slow":

        async def drops():
            yield picture[:100]
            await asyncio.sleep(30)
            yield picture[100:]

        answer = await http.post("/v1/restore", content=drops())
        allowed = (408,)
    else:
        body = {"bomb": bomb(), "cut": picture[: len(picture) // 2], "text": b"no picture\n" * 99}[kind]
        answer = await http.post("/v1/restore", content=body)
        allowed = {"bomb": (413,), "cut": (422, 429, 500), "text": (415,)}[kind]
    tally.statuses[f"{kind} {answer.status_code}"] += 1
    _check_problem(answer, allowed, tally)


def _check_problem(answer, allowed: tuple[int, ...], tally: Tally) -> None:
    detail = answer.json().get("detail", "") if "json" in answer.headers.get("content-type", "") else answer.text
    if answer.status_code not in allowed or "Traceback" in answer.text or "\n" in detail:
        tally.wrong.append(f"{answer.status_code}: {detail[:200]}")


async def watch(process: int, end: float, tally: Tally) -> None:
    """The most memory that the service and its workers hold together; halfway, kill a worker."""
    half, killed = time.monotonic() + (end - time.monotonic()) / 2, False
    while time.monotonic() < end:
        children = [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
        sizes = {pid: _resident(pid) for pid in (process, *children)}
        tally.peak = max(tally.peak, sum(sizes.values()))
        if not killed and time.monotonic() > half:
            os.kill(max(children, key=sizes.__getitem__), signal.SIGKILL)
            killed = True
        await asyncio.sleep(0.5)


def _resident(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def alone(sent: dict[float, bytes]) -> tuple[dict[float, bytes], dict[float, float]]:
    """What ``restore_files`` makes of each picture, and in how many seconds, the model being loaded."""
    from pellucid import Restorer, load_network, restore_files
    from pellucid.zoo import find_model

    restorer, expected, seconds = Restorer(load_network(find_model(task="denoise"))), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for size, content in {0.0: sent[0.1], **sent}.items():  # the first one is to warm up
            source, target = Path(folder, f"{size}.jpg"), Path(folder, f"{size}-out.jpg")
            source.write_bytes(content)
            started = time.monotonic()
            (result,) = restore_files([source], target, restorer=restorer)
            assert result.error is None, result.error
            seconds[size] = time.monotonic() - started
            expected[size] = target.read_bytes()
    return expected, seconds


async def load(arguments: argparse.Namespace, sent: dict, expected: dict) -> tuple[Tally, float]:
    """Start a service, drive it, stop it."""
    command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--queue", str(arguments.queue)]
    said = tempfile.NamedTemporaryFile("r")  # noqa: SIM115 - a pipe that nobody empties would stop the service
    started = time.monotonic()
    with open(said.name, "w") as file:  # noqa: PTH123
        service = subprocess.Popen(command, stderr=file)
    try:
        while not (base := Path(said.name).read_text().strip()):
            await asyncio.sleep(0.05)
        async with httpx2.AsyncClient(base_url=base) as http:
            answer = await http.post("/v1/restore?task=denoise", content=sent[1.0], timeout=120)
            assert answer.status_code == 200, answer.text
        first = time.monotonic() - started
        tally, end = Tally(), time.monotonic() + arguments.seconds
        clients = [client(i, base, sent, expected, end, tally) for i in range(arguments.clients)]
        await asyncio.gather(*clients, watch(service.pid, end, tally))
        tally.statuses["seconds"] = round(time.monotonic() - end + arguments.seconds)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(600)
    more = said.read().removeprefix(base).strip()
    if more:
        tally.wrong.append(f"the service said: {more[:500]}")
    return tally, first


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--queue", type=float, default=60, help="megapixels that may wait")
    arguments = parser.parse_args()
    sent = pictures()
    expected, seconds = alone(sent)
    tally, first = asyncio.run(load(arguments, sent, expected))
    lasted = tally.statuses.pop("seconds")
    rate = sum(sent) / sum(seconds[size] for size in sent)
    print(json.dumps({str(key): value for key, value in tally.statuses.items()}))
    times = sorted(tally.seconds)
    print(f"first restored megapixel {first:.1f} s after the start")
    print(f"p50 {statistics.median(times):.1f} s, p99 {times[int(len(times) * 0.99)]:.1f} s, {len(times)} pictures")
    print(f"{tally.megapixels / lasted:.3f} megapixels a second; restore_files alone: {rate:.3f}")
    print(f"memory of all processes: {tally.peak / 2**30:.2f} GiB at most")
    print("\n".join([f"wrong: {line}" for line in tally.wrong[:20]] or ["no wrong answer"]))
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
