"""Documents: links lead somewhere, code blocks close, tables hold together, and commands exist."""

import importlib
import re
from itertools import pairwise
from pathlib import Path

import pytest

from pellucid.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    path for folder in (ROOT, ROOT / "docs", ROOT / "src/pellucid/zoo/weights") for path in folder.glob("*.md")
]
VERBS = {command.name for command in app.registered_commands}


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.name)
def document(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_code_blocks_close(document: Path) -> None:
    fences = [line for line in document.read_text().splitlines() if "```" in line]
    assert len(fences) % 2 == 0
    assert all(re.fullmatch(r"```\w*", line) for line in fences)


def test_tables_hold_together(document: Path) -> None:
    lines = re.sub(r"```.*?```", "", document.read_text(), flags=re.S).splitlines()
    for before, line in pairwise(lines):
        if before.lstrip().startswith("|") and line.strip():
            assert line.lstrip().startswith("|"), line
            assert line.count("|") == before.count("|"), line


def test_commands_exist(document: Path) -> None:
    verbs = re.findall(r"^(?:\.venv/bin/)?pellucid ([a-z]+)", document.read_text(), flags=re.M)
    assert set(verbs) <= VERBS


def test_scripts_exist(document: Path) -> None:
    benchmarks = {path.stem for path in ROOT.glob("benchmarks/*/*.py")}
    tools = {path.stem for path in ROOT.glob("tools/*.py")}
    text = document.read_text()
    assert set(re.findall(r"python -m benchmarks ([a-z_0-9]+)", text)) <= benchmarks
    assert set(re.findall(r"python -m tools\.([a-z_0-9]+)", text)) <= tools
    paths = re.findall(r"`((?:benchmarks|tools|src|tests)/[^`* ]+)`", text)
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []


def test_tables_are_what_the_rows_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    made = importlib.import_module("tools.tables")
    for name, tables in made.TABLES.items():
        document = (ROOT / name).read_text()
        assert made.placed(document, tables) == document, "python -m tools.tables --write"
