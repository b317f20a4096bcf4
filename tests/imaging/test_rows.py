"""Pictures a few rows at a time."""

from hypothesis import given
from hypothesis import strategies as st

from pellucid.imaging.rows import PIXELS_AT_ONCE, rows_at_once


@given(height=st.integers(0, 3000), width=st.integers(0, 2**20))
def test_spans_follow_one_another_and_hold_few_pixels(height: int, width: int) -> None:
    spans = list(rows_at_once(height, width))
    assert [row for span in spans for row in range(span.start, span.stop)] == list(range(height))
    assert all((span.stop - span.start) % 8 == 0 for span in spans[:-1])
    assert all((span.stop - span.start) * width <= max(PIXELS_AT_ONCE, 8 * width) for span in spans)
