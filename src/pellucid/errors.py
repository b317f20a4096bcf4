"""Every error a caller can meet, in one small tree.

Each message is one line that says what was found and what to do next. The command line prints it
without a traceback; anything outside this tree is a bug.

Messages, and warnings that are logged, name options as a caller in Python gives them, in backticks: `max_pixels` or
`existing='overwrite'`. The command line puts its flags in their place.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PellucidError(Exception):
    """The root: catch this to catch everything pellucid raises on purpose."""


class ImageError(PellucidError):
    """A picture cannot be read, held or written."""


class CheckpointError(PellucidError):
    """A weights file is missing, damaged, of no known family, or of a wrong shape."""


class ModelError(PellucidError, ValueError):
    """No such model or task, or a configuration that no network can have."""


class ConfigError(PellucidError, ValueError):
    """An option has an impossible value."""


class RestoreError(PellucidError):
    """A network could not restore a picture: out of memory at the smallest tile, or numbers that are not."""


class ExportError(PellucidError):
    """A network cannot be written in another format, or the file does not give the network's values."""


class TrainingError(PellucidError):
    """A training run cannot go on: its loss leaps again and again, or another of its processes is gone."""


class MissingExtraError(PellucidError, ImportError):
    """An optional dependency is not installed; the message names the exact command."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs an optional dependency: pip install "pellucid[{extra}]"')


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or list them all when none is near."""
    choices = list(known)
    near = get_close_matches(word, choices, n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(choices)}."
