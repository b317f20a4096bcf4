"""The measurements in benchmarks/: each is found by its name, says what it measures, and takes arguments."""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
NAMES = [
    path.stem
    for path in sorted((ROOT / "benchmarks").glob("*/*.py"))
    if "main" in [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
]


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.__main__")


def test_without_a_name_it_lists_them(
    benchmarks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert benchmarks.main() == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[3:]]
    assert sorted(name for _, name, _ in rows) == sorted(NAMES)
    assert all(about.endswith(".") for _, _, about in rows)


def test_an_unknown_name(
    benchmarks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "netwroks"])
    assert benchmarks.main() == 2
    assert "Did you mean 'networks'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_each_has_help(
    benchmarks: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "gpu_resources":
        pytest.importorskip("triton")
    monkeypatch.setattr(sys, "argv", ["benchmarks", name, "--help"])
    with pytest.raises(SystemExit) as end:
        benchmarks.main()
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m benchmarks")
