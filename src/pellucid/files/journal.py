"""What was made in an output folder, of what and how: the memory by which runs are resumed."""

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.files.plan import Job
from pellucid.inference.identity import identity
from pellucid.inference.restorer import Restorer

log = logging.getLogger(__name__)

NAME = ".pellucid-journal.jsonl"


@dataclass(frozen=True)
class Journal:
    """A file in an output folder with a line of JSON for every result, added once that is whole.

    Several processes may add to it at once: a line is one write, and one that was cut short is passed over.

    Attributes:
        folder: the output folder.
        recipe: by which weights and settings results are made and stored, in a word.
    """

    folder: Path
    recipe: str

    def entry(self, job: Job) -> "Entry":
        """What there is to note about a job, its input as it is now: to be taken before that is read.

        Raises:
            OSError: the input is gone.
        """
        status = job.source.stat()
        facts = {
            "target": str(job.target.relative_to(self.folder)),
            "source": os.path.realpath(job.source),
            "bytes": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "recipe": self.recipe,
        }
        return Entry(self, facts)

    @cached_property
    def noted(self) -> dict[str, dict[str, Any]]:
        """The last line about each result, as they were when first asked for."""
        noted: dict[str, dict[str, Any]] = {}
        try:
            lines = (self.folder / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return noted
        for line in lines:
            try:
                facts = json.loads(line)
                noted[facts["target"]] = facts
            except (ValueError, TypeError, KeyError):
                continue
        return noted


@dataclass(frozen=True)
class Entry:
    """What a journal says, or will say, about one result."""

    journal: Journal
    facts: dict[str, Any]

    def add(self) -> None:
        """Note that the result is whole. A journal that cannot be written costs no result."""
        try:
            line = json.dumps(self._with_digest()) + "\n"
            descriptor = os.open(self.journal.folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            log.info("%s: cannot be noted in the journal (%s)", self.facts["target"], error.strerror)

    def is_noted(self) -> bool | None:
        """Whether the result was made of this input in this way and is as it was then; None if nothing is noted of it.

        Raises:
            OSError: the result cannot be read.
        """
        noted = self.journal.noted.get(self.facts["target"])
        return None if noted is None else noted == self._with_digest()

    def _with_digest(self) -> dict[str, Any]:
        with (self.journal.folder / self.facts["target"]).open("rb") as file:
            return self.facts | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def recipe_of(restorer: Restorer) -> str:
    """What decides the result of a picture, in a word: network, weights, and how and by which library it is run."""
    made_by = f"{identity(restorer.network)} {asdict(restorer.options)} {restorer.working_side}"
    return hashlib.sha256(f"{made_by} {restorer.detector and restorer.detector.digest}".encode()).hexdigest()
