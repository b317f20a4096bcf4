"""Each option is declared once, and named as whoever reads can give it."""

import io
import json
import re
import tokenize
from operator import attrgetter
from pathlib import Path
from pkgutil import resolve_name

import pytest

import pellucid
from pellucid.app.options import ServiceOptions
from pellucid.cli.options import FILES, RESTORING, SERVING, in_flags
from pellucid.files import restore_files
from pellucid.inference import Restorer

from conftest import Identity, Run, one_line, textured

SOURCE = Path(pellucid.__file__).parent


@pytest.mark.parametrize("table", [RESTORING, FILES], ids=lambda table: table.home)
def test_every_field_has_a_row_and_every_row_its_default_there(table) -> None:
    options = resolve_name(table.home)()
    assert {row.field.partition(".")[0] for row in table.rows} == set(vars(options))
    for row in table.rows:
        assert row.sets or row.value(row.typed(attrgetter(row.field)(options))) == attrgetter(row.field)(options)
    assert table.build(table.typed()) == options


def test_the_services_rows_have_their_defaults_there() -> None:
    assert SERVING.build(SERVING.typed()) == ServiceOptions()


def test_help_shows_the_defaults_of_the_library(command: Run) -> None:
    words = " ".join(command("degrade", "--help")[1].split())
    assert "[default: degraded]" in words
    assert "[default: 1000.0]" in words
    assert "--together" not in words
    assert "[default: no-keep-clean]" in " ".join(command("benchmark", "--help")[1].split())


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`existing='overwrite'` replaces it", "--overwrite replaces it"),
        ("`existing='skip'` and `existing='resume'` leave it", "--skip-existing and --resume leave it"),
        ("`overwrite=True` replaces it", "--overwrite replaces it"),
        ("`max_pixels` raises it", "--max-megapixels raises it"),
        ("`keep_clean=False` makes it all", "--no-keep-clean makes it all"),
        ("`white=1023` says so", "--white 1023 says so"),
        ("`format='png'` keeps it all", "--format png keeps it all"),
        ("`quality` takes 1 to 100", "--quality takes 1 to 100"),
        ("`no_data` is what", "--no-data is what"),
        ("`tick`.png: no such file", "`tick`.png: no such file"),
        ("it's `that`", "it's `that`"),
    ],
)
def test_options_in_messages_become_flags(message: str, shown: str) -> None:
    assert in_flags(message) == shown


def test_no_message_of_the_library_names_a_flag() -> None:
    """Docstrings apart, which may tell how the command is called."""
    for path in SOURCE.rglob("*.py"):
        if "cli" in path.parts:
            continue
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            is_text = token.type == tokenize.STRING and not token.string.startswith('"""')
            assert not (is_text and re.search(r"(^|[\s\"'(`])--[a-z]", token.string)), f"{path}: {token.string}"


def test_each_reads_what_they_can_give(command: Run, identity: Identity, weights: Path, tmp_path: Path) -> None:
    source, target = textured(tmp_path / "a.png"), textured(tmp_path / "b.png")
    (result,) = restore_files([source], target, restorer=Restorer(identity))
    assert "exists already; `existing='overwrite'` replaces it" in str(result.error)
    arguments = ("restore", source, "-o", target, "-m", weights)
    code, _, errors = command(*arguments)
    assert code == 1
    assert "exists already; --overwrite replaces it, --skip-existing and --resume leave it" in errors
    (file,) = json.loads(command(*arguments, "--json")[1])["files"]
    assert "--overwrite replaces it" in file["error"]


def test_values_may_be_negative(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr("pellucid.files.restore_files", lambda *_, options, **__: given.append(options) or iter(()))
    assert command("restore", textured(tmp_path / "a.png"), "--no-data", "-9999")[0] == 0
    assert [options.no_data for options in given] == [-9999.0]


def test_a_compression_that_no_result_has_is_wrong_usage(command: Run, weights: Path, tmp_path: Path) -> None:
    source = textured(tmp_path / "a.png")
    code, _, errors = command(
        "restore", source, "-m", weights, "-o", tmp_path / "b.jpg", "--compression", "lzw", "--json"
    )
    assert (code, (tmp_path / "b.jpg").exists()) == (2, False)
    assert one_line(errors)
    assert "--compression cannot be 'lzw': JPEG has none to choose" in errors


def test_quality_that_changes_nothing_is_said_once(command: Run, tmp_path: Path) -> None:
    sources = [textured(tmp_path / f"{name}.{end}") for name, end in (("a", "png"), ("b", "png"), ("c", "jpg"))]
    code, _, errors = command("degrade", *sources, "-o", tmp_path / "out", "--gaussian", "5", "--quality", 50)
    assert code == 0
    assert errors == "--quality changes nothing in PNG, which has none to choose\n"
