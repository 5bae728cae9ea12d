"""Amounts, changes and shares as people write them."""

from __future__ import annotations

import pytest

from gtrace.analysis.measures import MEASURES
from gtrace.analysis.wording import amount, band, change, percent, seconds


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 s"), (1.2, "1.20 s"), (0.31, "310 ms"), (0.9999, "1.00 s"), (2e-7, "200 ns"),
     (1234.5, "1,234 s"), (-0.2, "-200 ms")],
)  # fmt: skip
def test_durations_have_three_digits_and_a_unit(value, shown):
    seconds = next(m for m in MEASURES if m.key == "wall").unit

    assert amount(value, seconds) == shown


def test_a_band_names_its_unit_once():
    seconds = next(m for m in MEASURES if m.key == "wall").unit

    assert band(1.12, 1.36, seconds) == "1.12–1.36 s"
    assert band(0.757, 1.29, seconds) == "757 ms–1.29 s"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [(1.2, 0.31, "−74 %"), (1, 1.05, "+5.0 %"), (1, 12, "×12.0"), (0, 1, "from none"), (1, 0, "to none"),
     (1, 1, "no change"), (10000, 10001, "+<0.1 %")],
)  # fmt: skip
def test_changes_are_percent_or_factors(before, after, shown):
    assert change(before, after) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0 s"), (2e-8, "20.0 ns"), (1.5e-6, "1.50 µs"), (0.0123, "12.3 ms"), (0.99949, "999 ms"),
        (0.9999, "1.00 s"), (1.2344, "1.23 s"), (99.99, "100 s"), (12345.6, "12,346 s"),
    ],
)  # fmt: skip
def test_durations_have_three_digits_and_a_unit_that_suits(value, shown):
    assert seconds(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0 %"), (0.0004, "<0.1 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (0.9996, ">99.9 %"), (1, "100 %")],
)
def test_a_small_share_is_never_shown_as_none(share, shown):
    assert percent(share) == shown
