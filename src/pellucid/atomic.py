"""Files that are whole or not there."""

import errno
import os
import platform
import re
import secrets
import sys
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

DAY = 24 * 60 * 60

HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(r"\.pellucid-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}")  # host, process, at random
_unfinished: set[str] = set()  # how the names begin that this process is writing to


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a hidden temporary name beside ``path`` to write to, and rename it when the block ends well.

    Whatever goes wrong, ``path`` is as it was and the temporary file is gone. The suffix is kept, for
    libraries that choose a format by it.
    """
    stem = f".pellucid-{HOST}-{os.getpid()}-{secrets.token_hex(8)}"
    temporary = path.with_name(stem + path.suffix)
    _unfinished.add(stem)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        _unfinished.discard(stem)


def cache_folder(kind: str) -> Path:
    """Where the user's machine keeps what was made once and can be made again.

    Raises:
        FileNotFoundError: the user has no home, as in containers that run under any number.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid" / kind
    except RuntimeError:
        raise FileNotFoundError(errno.ENOENT, "no home folder; XDG_CACHE_HOME names another one", "~/.cache") from None


def sweep(folder: Path) -> None:
    """Remove what writers left behind that were killed, and nothing that anybody may still be writing.

    A process of this machine has left its files behind when it is gone; of another machine, on a shared folder, that
    is believed of files a day old. A file that cannot be looked at or removed stays.
    """
    for path in folder.glob(".pellucid-*"):
        found = _TEMPORARY.match(path.name)
        if found is None or found[0] in _unfinished:
            continue
        host, process = found[1], int(found[2])
        try:
            if not _is_running(process) if host == HOST else time.time() - path.stat().st_mtime > DAY:
                path.unlink()
        except OSError:
            continue


def _is_running(process: int) -> bool:
    """Whether another process has that number; this one knows its own files."""
    if process == os.getpid():
        return False
    if sys.platform == "win32":
        return True  # asking would end it; its files stay until they are removed by hand
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
