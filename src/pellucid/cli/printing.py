"""What verbs print and write in the end."""

import json
import math
from pathlib import Path
from typing import Any

from pellucid.errors import ConfigError, ImageError

CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


def printable(text: str) -> str:
    """A line that any terminal takes, whatever the names of files in it: control characters are spelt out."""
    return text.translate(CONTROLS).encode(errors="backslashreplace").decode()


def check_replaceable(path: Path, suffix: str, *, overwrite: bool) -> None:
    """Refuse, before the work, a file of results that could not be written or would cost a file.

    Raises:
        ConfigError: it is a folder or in none, or it exists and is not to be replaced, or has another ending.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: results need a file name in a folder that exists")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: exists already; --overwrite replaces it")
    if path.exists() and path.suffix.lower() != suffix:
        raise ConfigError(f"{path}: only a {suffix} file is ever replaced by these results")


def write_text(path: Path, text: str) -> None:
    """Write a file of results, whole or not at all.

    Raises:
        ImageError: it cannot be written.
    """
    from pellucid.atomic import replacing

    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror}") from None


def to_json(value: Any) -> str:
    """Indented JSON, in which an infinite number (the PSNR of equal pictures) is null: JSON has none."""
    return json.dumps(_finite(value), indent=2, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
