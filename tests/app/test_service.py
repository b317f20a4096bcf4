import asyncio
import io
import json
import os
import signal
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image

fastapi = pytest.importorskip("fastapi", reason='pip install "pellucid[serve]"')
from starlette.testclient import TestClient  # noqa: E402

from pellucid import Restorer, load_network, restore_files  # noqa: E402
from pellucid.app.options import ServiceOptions  # noqa: E402
from pellucid.app.routes import create_app  # noqa: E402
from pellucid.zoo import find_model  # noqa: E402

MOST = 1.0  # megapixels


@pytest.fixture(scope="module")
def client():
    options = ServiceOptions(megapixels=MOST, queued_megapixels=1.2, body_bytes=8 * 2**20, seconds=120)
    with TestClient(create_app(options), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def denoiser():
    return Restorer(load_network(find_model(task="denoise")))


def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def picture(side=48, format="PNG", **options):
    rng = np.random.default_rng(side)
    flat = np.full((side, side + 16, 3), 120.0) + rng.normal(0, 25, (side, side + 16, 3))
    file = io.BytesIO()
    Image.fromarray(flat.clip(0, 255).astype(np.uint8)).save(file, format, **options)
    return file.getvalue()


def bomb(width, height):
    """A small PNG that says it is so large."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(9999)),
        b"IEND": b"",
    }
    whole = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def said(response, status):
    """The sentence of a refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert "\n" not in problem["detail"] and "Traceback" not in problem["detail"] and "/tmp" not in problem["detail"]
    return problem["detail"]


def running(client, **query):
    """A job that is worked on, of a picture that takes seconds."""
    job = client.post("/v1/jobs", params=query, content=picture(700)).json()
    until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "running")
    return job["id"]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_bytes_are_those_that_the_command_writes(client, denoiser, tmp_path, format):
    exif = Image.Exif()
    exif[0x010E] = "a meadow"
    sent = picture(format=format, exif=exif)
    source = tmp_path / f"picture.{format.lower()}"
    source.write_bytes(sent)
    (result,) = restore_files([source], tmp_path / f"out.{format.lower()}", restorer=denoiser)
    answer = client.post("/v1/restore", params={"task": "denoise"}, content=sent)
    assert answer.status_code == 200, answer.text
    assert result.error is None
    assert answer.content == (tmp_path / f"out.{format.lower()}").read_bytes()
    assert answer.headers["content-type"] == f"image/{format.lower()}"


def test_a_form_does_as_well(client):
    plain = client.post("/v1/restore", content=picture())
    form = client.post("/v1/restore", files={"file": ("IMG 1.png", picture())})
    assert form.status_code == plain.status_code == 200
    assert form.content == plain.content
    assert 'filename="IMG 1_restored.png"' in form.headers["content-disposition"]


def test_the_format_follows_the_query_and_else_accept(client):
    query = client.post("/v1/restore?format=webp", content=picture(), headers={"accept": "image/png"})
    accept = client.post("/v1/restore", content=picture(), headers={"accept": "text/html, image/webp;q=0.8"})
    assert query.headers["content-type"] == accept.headers["content-type"] == "image/webp"
    assert query.content == accept.content
    said(client.post("/v1/restore", content=picture(), headers={"accept": "image/x-unknown"}), 406)


def test_a_receipt_says_what_was_done(client):
    answer = client.post("/v1/restore?task=denoise", content=picture())
    receipt = json.loads(answer.headers["x-pellucid-receipt"])
    assert receipt["model"] == "ast-s-denoise"
    assert len(receipt["sha256"]) == 64
    assert receipt["tiles"] == 1
    assert receipt["changed"]
    assert (receipt["read"]["width"], receipt["read"]["height"]) == (64, 48)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"no picture at all, but a line of text\n", 415),
        (b"%PDF-1.7 and so on", 415),
        (b"", 422),
        (picture()[:300], 422),
        (picture(format="JPEG")[:-400], 422),
        (bomb(60000, 60000), 413),
        (bomb(900_000, 900_000), 413),
        (picture(1200), 413),
        (b"GIF89a<script>alert(1)</script>" + picture(), 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 415),
        (b"\xff\xd8\xff\xe0" + bytes(2000), 422),
    ],
    ids=["text", "pdf", "empty", "cut", "cut-jpeg", "bomb", "larger-bomb", "too-large", "polyglot", "svg", "zeros"],
)
def test_what_is_no_picture_is_refused_in_one_sentence(client, sent, status):
    said(client.post("/v1/restore", content=sent), status)


@pytest.mark.parametrize(
    "query",
    [
        {"task": "no-such-task"},
        {"task": "defocus"},
        {"model": "no-such-model"},
        {"model": "/etc/passwd"},
        {"model": "../zoo/weights/ast-s-derain.safetensors"},
        {"task": "derain", "model": "ast-s-derain"},
        {"format": "exe"},
        {"format": "../x.png"},
        {"quality": "0"},
        {"quality": "much"},
        {"compression": "zip"},
    ],
    ids=str,
)
def test_wishes_that_mean_nothing_are_refused(client, query):
    assert said(client.post("/v1/restore", params=query, content=picture()), 422)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd.png", "..\\..\\boot.ini", "/root/x.png", "a\r\nSet-Cookie: x=1.png", 'a";x="b.png', "x" * 999],
)
def test_a_clients_name_is_only_a_name(client, name):
    answer = client.post("/v1/restore", params={"name": name}, content=picture())
    assert answer.status_code == 200
    disposition = answer.headers["content-disposition"]
    assert "set-cookie" not in answer.headers
    assert disposition.count('"') == 2
    assert not set("/\\\r\n") & set(disposition.split("filename*=")[0])
    assert "%2F" not in disposition and "%5C" not in disposition and "%0D" not in disposition
    assert len(disposition) < 600


def test_a_job_tells_of_its_rows_and_waits_to_be_fetched(client):
    sent = picture()
    added = client.post("/v1/jobs?task=denoise", content=sent, headers={"x-file-name": "Stra%C3%9Fe.png"})
    assert added.status_code == 202
    link = added.headers["location"]
    with client.stream("GET", f"{link}/events") as stream:
        lines = [line for line in stream.iter_lines() if line]
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert kinds[-1] == "done"
    assert "strip" in kinds
    state = client.get(link).json()
    assert (state["state"], state["progress"]) == ("done", 1.0)
    assert state["receipt"]["model"] == "ast-s-denoise"
    result = client.get(f"{link}/result")
    assert result.content == client.post("/v1/restore?task=denoise", content=sent).content
    assert "filename*=UTF-8''Stra%C3%9Fe_restored.png" in result.headers["content-disposition"]
    for end in ("before", "after"):
        assert Image.open(io.BytesIO(client.get(f"{link}/{end}").content)).size == (64, 48)
    assert client.delete(link).status_code == 204
    said(client.get(link), 404)


def test_strips_make_up_the_picture(client):
    added = client.post("/v1/jobs?task=denoise", content=picture(300))
    with client.stream("GET", f"{added.headers['location']}/events") as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    strips = [data for data in told if "jpeg" in data]
    assert sum(strip["height"] for strip in strips) == strips[0]["whole"] == 300
    assert [strip["top"] for strip in strips] == sorted(strip["top"] for strip in strips)


def test_a_job_can_be_stopped_while_it_runs_and_while_it_waits(client):
    first = running(client)
    second = client.post("/v1/jobs", content=picture(100)).json()["id"]
    said(client.get(f"/v1/jobs/{second}/result"), 409)
    for id in (second, first):
        assert client.delete(f"/v1/jobs/{id}").status_code == 204
        until(lambda id=id: client.get(f"/v1/jobs/{id}").json()["state"] == "cancelled")
        said(client.get(f"/v1/jobs/{id}/result"), 410)


def test_who_comes_when_all_is_full_is_told_when_to_come_again(client):
    first = running(client)
    second = client.post("/v1/jobs", content=picture(600)).json()["id"]
    refused = client.post("/v1/restore", content=picture(600))
    assert "megapixels are waiting" in said(refused, 429)
    assert 1 <= int(refused.headers["retry-after"]) < 600
    for id in (second, first):
        client.delete(f"/v1/jobs/{id}")
    until(lambda: client.get(f"/v1/jobs/{first}").json()["state"] == "cancelled")


def test_a_worker_that_is_killed_costs_one_picture(client):
    id = running(client)
    os.kill(client.app.state.service.queue.workers[0].pid, signal.SIGKILL)
    until(lambda: client.get(f"/v1/jobs/{id}").json()["state"] == "failed")
    assert "has died" in client.get(f"/v1/jobs/{id}").json()["problem"]["detail"]
    assert client.post("/v1/restore", content=picture()).status_code == 200


def test_nothing_is_left_when_results_were_sent(client):
    client.post("/v1/restore", content=picture())
    client.post("/v1/restore", content=b"text")
    service = client.app.state.service
    kept = {job.folder for job in service.queue.jobs.values()}
    until(lambda: set(service.root.iterdir()) <= kept, seconds=5)


def test_who_leaves_while_sending_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said, coming = [], iter([{"type": "http.request", "body": picture()[:50], "more_body": True}])

    async def receive():
        return next(coming, {"type": "http.disconnect"})

    async def send(message):
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/restore", "scheme": "http", "query_string": b""}
    scope |= {"headers": [(b"host", b"127.0.0.1")], "client": None, "server": ("127.0.0.1", 7860), "root_path": ""}
    asyncio.run(create_app()(scope, receive, send))
    assert said[0]["status"] == 400
    assert not list(tmp_path.iterdir())


def test_prometheus_is_told(client):
    client.post("/v1/restore", content=picture())
    text = client.get("/metrics").text
    for name in ('pellucid_jobs_total{state="done"}', "pellucid_megapixels_per_second", "pellucid_queued_megapixels"):
        assert name in text


def test_the_description_loads_nothing_from_elsewhere(client):
    assert "/v1/restore" in client.get("/openapi.json").json()["paths"]
    page = client.get("/docs").text
    assert "http://" not in page and "https://" not in page
    said(client.get("/v1/no-such-thing"), 404)


def test_while_it_stops_it_finishes_and_refuses():
    options = ServiceOptions(seconds=120)
    with TestClient(create_app(options), base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/readyz").status_code == 200)
        queue, answers = client.app.state.service.queue, []
        slow = threading.Thread(target=lambda: answers.append(client.post("/v1/restore", content=picture(400))))
        slow.start()
        until(lambda: queue.queued_megapixels > 0)
        queue.is_draining = True
        refused = client.post("/v1/restore", content=picture())
        assert "about to stop" in said(refused, 503)
        assert client.get("/readyz").status_code == 503
        slow.join()
    assert answers[0].status_code == 200
