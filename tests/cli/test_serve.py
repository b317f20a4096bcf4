import re
import signal
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("fastapi", reason='pip install "pellucid[serve]"')


def pellucid(*arguments):
    return subprocess.run([sys.executable, "-m", "pellucid", *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "set a --token, or --insecure"),
        (["--token", "short"], "8 characters"),
        (["--host", "192.0.2.1", "--insecure", "--port", "7"], "cannot listen on 192.0.2.1:7"),
        (["--max-megapixels", "0"], "above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_door_that_cannot_be_opened_is_said_in_one_line(arguments, says):
    done = pellucid("serve", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_address_that_is_none_is_wrong_usage():
    done = pellucid("health", "photos.example")
    assert done.returncode == 2
    assert done.stderr == "pellucid: photos.example: an address begins with http:// or https://\n"


def test_health_of_nothing_and_of_a_service_that_then_ends_on_a_signal():
    nothing = pellucid("health", "http://127.0.0.1:9")
    assert nothing.returncode == 1
    assert len(nothing.stderr.strip().splitlines()) == 1
    with subprocess.Popen(
        [sys.executable, "-m", "pellucid", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as service:
        address = service.stderr.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        with urllib.request.urlopen(f"{address}/livez", timeout=60) as answer:
            assert answer.read() == b"ok"
        assert pellucid("health", address).returncode in (0, 1)  # it may not be ready yet
        service.send_signal(signal.SIGTERM)
        assert service.wait(90) in (0, -signal.SIGTERM)
        assert service.stderr.read() == ""
