import asyncio

import pytest

pytest.importorskip("fastapi", reason='pip install "pellucid[serve]"')
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from pellucid.app.gate import Gate
from pellucid.app.options import ServiceOptions
from pellucid.errors import ConfigError

TOKEN = "a long enough token"


async def echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


def client(**options):
    return TestClient(Gate(echo, ServiceOptions(**options)), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7860", "localhost:1", "[::1]:7860", "LOCALHOST"])
def test_the_names_of_this_machine_are_known(host):
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[::1", "0"])
def test_a_name_that_was_bound_to_this_machine_is_refused(host):
    assert client().get("/", headers={"host": host}).status_code == 421


def test_other_names_are_known_when_told():
    assert client(allowed_hosts=("photos.example",)).get("/", headers={"host": "photos.example"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost.evil"])
def test_pages_of_other_origins_are_refused(origin):
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        answer = client().request(method, "/v1/jobs", headers={"origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_our_own_page_may():
    assert client().post("/v1/jobs", headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


def test_a_page_that_was_named_may():
    asked = client(allowed_origins=("https://photos.example",))
    origin = {"origin": "https://photos.example"}
    assert asked.options("/v1/jobs", headers=origin).status_code == 204
    assert asked.post("/v1/jobs", headers=origin).headers["access-control-allow-origin"] == "https://photos.example"
    assert asked.post("/v1/jobs", headers={"origin": "https://photos.example.evil"}).status_code == 403


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
@pytest.mark.parametrize("path", ["/v1/restore", "/v1/jobs/x/result", "/metrics"])
def test_without_the_token_nothing_is_done(path, header):
    headers = {} if header is None else {"authorization": header}
    answer = client(token=TOKEN).post(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_it_is():
    assert client(token=TOKEN).get("/v1/tasks", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200


def test_health_and_the_page_need_none():
    for path in ("/", "/livez", "/readyz"):
        assert client(token=TOKEN).get(path).status_code == 200


def chunks(count, size=1000):
    for _ in range(count):
        yield bytes(size)


def test_bodies_are_bounded_whether_they_say_so_or_not():
    asked = client(body_bytes=10_000)
    assert asked.post("/", content=bytes(10_000)).text == "10000 bytes"
    assert asked.post("/", content=bytes(10_001)).status_code == 413
    assert asked.post("/", content=chunks(11)).status_code == 413
    assert asked.post("/", content=b"", headers={"content-length": "99999999999999"}).status_code == 413
    assert asked.post("/", content=b"", headers={"content-length": "-1"}).status_code == 400
    assert asked.post("/", content=b"", headers={"content-length": "1e3"}).status_code == 400


def test_who_sends_too_slowly_is_let_go():
    answers = []

    async def receive():
        await asyncio.sleep(30)

    async def send(message):
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "scheme": "http", "headers": [(b"host", b"127.0.0.1")]}
    asyncio.run(Gate(echo, ServiceOptions(idle_seconds=0.05))(scope, receive, send))
    assert answers[0]["status"] == 408


def test_every_answer_forbids_what_a_browser_might_do():
    for answer in (client().get("/"), client().get("/", headers={"host": "evil.example"})):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "options",
    [
        {"host": "0.0.0.0"},
        {"host": "photos.example"},
        {"host": "::"},
        {"token": "short"},
        {"port": 70000},
        {"workers": 0},
        {"megapixels": 0},
    ],
    ids=str,
)
def test_what_would_open_the_door_or_mean_nothing_is_refused(options):
    with pytest.raises(ConfigError):
        ServiceOptions(**options)


def test_the_door_opens_with_a_token_or_when_it_is_meant():
    assert not ServiceOptions(host="0.0.0.0", token=TOKEN).is_local
    assert not ServiceOptions(host="0.0.0.0", insecure=True).is_local
    assert ServiceOptions(host="::1").is_local
