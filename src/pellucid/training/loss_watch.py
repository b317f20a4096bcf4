"""Whether the loss behaves."""

import math
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

WINDOW = 10  # losses to a mean: a single batch may be hard, ten seldom are
REMEMBERED = 50  # means that say what is usual
FEWEST = 20  # of these, before anything can be unusual
LEAP = math.log(1.5)  # above what is usual, as a logarithm ...
DEVIATIONS = 6.0  # ... and so many standard deviations of the logarithms


class LossWatch:
    """Looks at every loss of a run, and says when one is no number or their means leap.

    Losses are averaged in windows of ten, and the logarithms of the means compared, whose spread is even where losses
    scatter by factors. A mean is a leap when it exceeds what is usual, over the last fifty, by half and by six
    standard deviations. ``state`` and ``load`` make it part of a run that is resumed exactly.
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
                level = math.log(max(fmean(self._window), 1e-12))
                self._window.clear()
                if self._is_leap(level):
                    return f"the loss leapt from {math.exp(fmean(self._usual)):.4f} to {math.exp(level):.4f}"
                self._usual = [*self._usual[1 - REMEMBERED :], level]
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

    def _is_leap(self, level: float) -> bool:
        if len(self._usual) < FEWEST:
            return False
        return level > fmean(self._usual) + max(LEAP, DEVIATIONS * pstdev(self._usual))
