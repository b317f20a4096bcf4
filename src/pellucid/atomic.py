"""Files that are whole or not there."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".pellucid-"  # how the names of files begin that are being written


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a hidden temporary name beside ``path`` to write to, and rename it when the block ends well.

    Whatever goes wrong, ``path`` is as it was and the temporary file is gone. The suffix is kept, for
    libraries that choose a format by it.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what writers left behind that were killed; nobody else may be writing there."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)
