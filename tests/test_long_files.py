"""A file of more than 300 lines says in its first lines why it is one."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "tools")
LONG = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".cpp", ".h") and path.read_text().count("\n") > 300
]


@pytest.mark.parametrize("path", LONG, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_long_file_says_why(path: Path) -> None:
    head = "\n".join(path.read_text().splitlines()[:12])
    assert "More than 300 lines: " in head, "divide it, or say in its first lines 'More than 300 lines: ' and why"
