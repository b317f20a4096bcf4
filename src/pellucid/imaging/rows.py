"""Pictures a few rows at a time, where whole ones in floats would take too much memory."""

from collections.abc import Iterator

PIXELS_AT_ONCE = 2**18  # as wide as pictures may be, few of them: in floats of three channels, 3 MiB
MOST_ROWS = 256


def rows_at_once(height: int, width: int) -> Iterator[slice]:
    """Spans of a picture's rows, top to bottom, of few enough pixels to be held as floats; all but the last even."""
    step = min(max(PIXELS_AT_ONCE // max(width, 1) // 2 * 2, 2), MOST_ROWS)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
