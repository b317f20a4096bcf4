"""Whether the loss behaves."""

import math
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

WINDOW = 10  # losses to a mean: a single batch may be hard, ten seldom are
REMEMBERED = 50  # means that say what is usual
FEWEST = 10  # of these, before anything can be unusual
LEAP = 1.5  # times what is usual ...
DEVIATIONS = 6.0  # ... and so many standard deviations above it


class LossWatch:
    """Looks at every loss of a run, and says when one is no number or their means leap.

    Losses are averaged in windows of ten. A mean is a leap when it exceeds the mean of the last fifty by half and by
    six standard deviations. ``state`` and ``load`` make it part of a run that is resumed exactly.
    """

    def __init__(self) -> None:
        self._window: list[float] = []
        self._usual: list[float] = []

    def add(self, losses: Sequence[float]) -> str | None:
        """Look at more losses; returns what is wrong with them, or None."""
        for loss in losses:
            if not math.isfinite(loss):
                return f"the loss became {loss}"
            self._window.append(loss)
            if len(self._window) == WINDOW:
                mean = fmean(self._window)
                self._window.clear()
                if self._is_leap(mean):
                    return f"the loss leapt from {fmean(self._usual):.4f} to {mean:.4f}"
                self._usual = [*self._usual[1 - REMEMBERED :], mean]
        return None

    def forget(self) -> None:
        """Start anew, where the loss may change for a reason: another patch size."""
        self._window.clear()
        self._usual.clear()

    def state(self) -> dict[str, Any]:
        """What ``load`` needs."""
        return {"window": list(self._window), "usual": list(self._usual)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self._window, self._usual = list(state["window"]), list(state["usual"])

    def _is_leap(self, mean: float) -> bool:
        if len(self._usual) < FEWEST:
            return False
        usual = fmean(self._usual)
        return mean > max(LEAP * usual, usual + DEVIATIONS * pstdev(self._usual))
