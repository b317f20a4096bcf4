"""What functions read that nobody passed them is listed, with its reason, in docs/hidden-state.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTEXT = re.compile(r"^(\w+)\b.*= ContextVar\(", re.MULTILINE)
CACHE = re.compile(r"^ *@(?:functools\.)?(?:lru_)?cache\b.*\n(?: *@.*\n)*? *def (\w+)", re.MULTILINE)
ENVIRONMENT = re.compile(r"(?:os\.environ(?:\.get\(|\[)|getenv\()\s*(\w+|\"\w+\")")
GLOBAL = re.compile(r"^ +global \w", re.MULTILINE)
UNSEEN = re.compile(r"\bContextVar\(|^ *@(?:functools\.)?(?:lru_)?cache\b|os\.environ\b|getenv\(", re.MULTILINE)


def hidden(source: str) -> list[str]:
    """Names of the context variables, cached functions and environment variables in a module."""
    names = CONTEXT.findall(source) + CACHE.findall(source)
    for name in ENVIRONMENT.findall(source):
        constant = re.search(rf'^{name} = "(\w+)"', source, re.MULTILINE)
        names.append(constant[1] if constant else name.strip('"'))
    assert len(names) == len(UNSEEN.findall(source)), "written in a way that this test does not know"
    assert not GLOBAL.search(source)
    return names


def test_what_is_hidden_is_listed_and_nothing_else() -> None:
    found = {name for path in (ROOT / "src").rglob("*.py") for name in hidden(path.read_text())}
    table = (ROOT / "docs/hidden-state.md").read_text().split("|---|---|---|\n")[1]
    listed = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert found == listed
