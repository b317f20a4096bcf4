"""Whether what a network made of a tile can be believed, and a record of the tiles where it could not."""

import logging
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from pellucid.errors import RestoreError

log = logging.getLogger(__name__)

Problem = Literal["undefined values", "blow-up", "colour drift", "no change", "out of memory"]
Remedy = Literal["none", "fp32", "smaller", "input kept"]
Box = tuple[int, int, int, int]

HARMLESS: tuple[Problem | None, ...] = (None, "no change")  # nothing that another attempt could mend
# In extents of the input's range, but at least of [0, 1]
FAR = 1.0  # beyond that range: restored edges overshoot by a few percent
DRIFT = 0.3  # between the mean changes of two colours: haze of the strongest tint, removed from a whole tile, gives 0.2
NEARLY_ALL = 0.9  # of a change: that something is missing nobody sees


@dataclass(frozen=True, kw_only=True)
class TileEvent:
    """A tile that something was wrong with.

    Attributes:
        box: left, top, right and bottom in pixels, of the picture that the network saw.
        problem: what was found.
        remedy: what helped: computing it in float32, in smaller pieces, or, when nothing did, leaving it as it was.
            "none" where nothing was needed but to say so.
    """

    box: Box
    problem: Problem
    remedy: Remedy


@dataclass
class TileWatch:
    """What happened to the tiles of one picture.

    Attributes:
        tiles: how many there were.
        events: the tiles that something was wrong with.
        taken_for_clean: nothing was found that the network could mend, so the picture is given back as it was.
        share: of the changes that the network would make, how much was made, in [0, 1].
    """

    tiles: int = 0
    events: list[TileEvent] = field(default_factory=list[TileEvent])
    taken_for_clean: bool = False
    share: float = 1.0

    @property
    def kept(self) -> list[TileEvent]:
        """Tiles that are as they were in the input, as nothing better was to be had."""
        return [event for event in self.events if event.remedy == "input kept"]

    def judge(self, share: float) -> None:
        """Record how much of the network's changes is made; say so if it is not all, or if it is nothing."""
        self.share, self.taken_for_clean = share, share == 0
        if self.taken_for_clean:
            log.warning(
                "nothing to mend was found, so it is left as it is; `keep_clean=False` restores it all the same"
            )
        elif share < NEARLY_ALL:
            percent = f"{share:.0%}"
            log.warning(
                "perhaps nothing is to mend, so %s of the change is made; `keep_clean=False` makes it all", percent
            )

    def note(self, box: Box, problem: Problem, remedy: Remedy) -> None:
        """Record an event."""
        self.events.append(TileEvent(box=box, problem=problem, remedy=remedy))
        left, top, right, bottom = box
        log.info("tile %dx%d at %d,%d: %s; remedy: %s", right - left, bottom - top, left, top, problem, remedy)

    def conclude(self) -> None:
        """Warn of what is not as it was asked for.

        Raises:
            RestoreError: not one tile could be restored.
        """
        problems = ", ".join(sorted({event.problem for event in self.kept}))
        if self.tiles and len(self.kept) == self.tiles:
            raise RestoreError(f"{problems} in every tile of the result: are the weights damaged?")
        if self.kept:
            log.warning("%d of %d tiles stayed as they were: %s", len(self.kept), self.tiles, problems)
        elif self.tiles and sum(event.problem == "no change" for event in self.events) == self.tiles:
            log.warning("the network changed nothing at all")


def find_problem(before: Tensor, after: Tensor) -> Problem | None:
    """What is wrong with a restored tile, if anything.

    Args:
        before, after: (H, W, C), nominally in [0, 1]; they may differ in C, where a network merges two views.
    """
    if not torch.isfinite(after).all():
        return "undefined values"
    low, high = before.aminmax()
    extent = max(float(high - low), 1.0)
    if float(after.min()) < float(low) - FAR * extent or float(after.max()) > float(high) + FAR * extent:
        return "blow-up"
    if before.shape != after.shape:
        return None
    change = (after - before).mean((0, 1))
    if float(change.max() - change.min()) > DRIFT * extent:
        return "colour drift"
    return "no change" if torch.equal(before, after) else None
