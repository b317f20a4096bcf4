"""``-``: pictures through pipes."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import pellucid
from pellucid.cli.main import run

from conftest import one_line, textured

Pipe = Callable[..., tuple[int, bytes, str]]


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path) -> Pipe:
    """Run ``pellucid restore`` with bytes on standard input: (exit code, bytes on standard output, stderr)."""

    def call(*arguments: object, sent: bytes = b"", terminal: str = "") -> tuple[int, bytes, str]:
        received = io.BytesIO()
        kinds = {name: Terminal if name == terminal else io.TextIOWrapper for name in ("stdin", "stdout")}
        monkeypatch.setattr(sys, "stdin", kinds["stdin"](io.BytesIO(sent)))
        monkeypatch.setattr(sys, "stdout", kinds["stdout"](received))
        monkeypatch.setattr(sys, "argv", ["pellucid", "restore", "-m", str(weights), *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            run()
        sys.stdout.flush()
        return int(stopped.value.code or 0), received.getvalue(), capsys.readouterr().err

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return textured(tmp_path / "photo.png", (30, 20))


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_picture_through_a_pipe(pipe: Pipe, photo: Path, weights: Path) -> None:
    code, received, errors = pipe("-", "-o", "-", sent=photo.read_bytes())
    assert (code, errors) == (0, "")
    assert decoded(received).format == "PNG"
    np.testing.assert_array_equal(np.asarray(decoded(received)), pellucid.restore(photo, model=weights).pixels)
    assert pipe("-", sent=photo.read_bytes())[1] == received
    assert pipe(photo, "-o", "-")[1] == received


def test_standard_input_to_a_file_or_folder(pipe: Pipe, photo: Path, tmp_path: Path) -> None:
    for output, written in ((tmp_path / "out.png", "out.png"), (f"{tmp_path}/out/", "out/stdin.png")):
        code, received, errors = pipe("-", "-o", output, sent=photo.read_bytes())
        assert (code, received.decode().strip(), errors) == (0, str(tmp_path / written), "")
        assert decoded((tmp_path / written).read_bytes()).size == (30, 20)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "PPM"])
def test_the_format_follows_the_input_or_the_option(pipe: Pipe, photo: Path, format: str) -> None:
    sent = io.BytesIO()
    Image.open(photo).save(sent, format)
    assert decoded(pipe("-", sent=sent.getvalue())[1]).format == format
    assert decoded(pipe("-", "-f", "tif", sent=sent.getvalue())[1]).format == "TIFF"


def test_what_is_no_picture_is_one_line_and_sends_nothing(pipe: Pipe) -> None:
    for sent in (b"", b"some text", b"\xff\xd8\xff\xe0 and no more"):
        code, received, errors = pipe("-", sent=sent)
        assert (code, received) == (1, b"")
        assert errors.startswith("pellucid: standard input: ")
        assert errors.count("\n") == 1


def test_an_endless_input_is_refused(pipe: Pipe) -> None:
    code, received, errors = pipe("-", "--max-megapixels", 0.01, sent=bytes(2**21))
    assert (code, received) == (1, b"")
    assert "goes on for longer" in errors
    assert one_line(errors)


@pytest.mark.parametrize(
    ("arguments", "terminal", "message"),
    [
        (["-", "-"], "", "name '-' once"),
        (["-", "{photo}"], "", "takes one picture"),
        (["{photo}", "{photo}", "-o", "-"], "", "takes one picture"),
        (["{folder}", "-o", "-"], "", "takes one picture, not 2"),
        (["-", "--json"], "", "not both"),
        (["-"], "stdout", "standard output is a terminal"),
        (["-", "-o", "{folder}/x.png"], "stdin", "standard input is a terminal"),
        (["-", "-f", "doc"], "", "'doc'"),
    ],
)
def test_streams_that_cannot_be_are_wrong_usage(
    pipe: Pipe, photo: Path, arguments: list[str], terminal: str, message: str
) -> None:
    textured(photo.parent / "other.png", (30, 20))
    filled = [each.format(photo=photo, folder=photo.parent) for each in arguments]
    code, received, errors = pipe(*filled, sent=photo.read_bytes(), terminal=terminal)
    assert (code, received) == (2, b"")
    assert one_line(errors), errors
    assert message in errors


def test_a_reader_that_goes_away_is_one_line(pipe: Pipe, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pellucid.cli.streams.shutil", SimpleNamespace(copyfileobj=full))
    code, received, errors = pipe(photo, "-o", "-")
    assert (code, received) == (1, b"")
    assert one_line(errors)
    assert "standard output: cannot be written (No space left on device)" in errors
