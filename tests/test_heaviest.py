"""The heaviest item of each group, against a dictionary of sums."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gtrace.timeline.heaviest import heaviest

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 9)), max_size=30).map(sorted)


def by_sums(rows):
    """For each group the first row of the item with the largest sum, of equals the smallest item."""
    found = []
    for group in dict.fromkeys(group for group, _, _ in rows):
        sums = {}
        for of, item, weight in rows:
            if of == group:
                sums[item] = sums.get(item, 0) + weight
        best = min(item for item, total in sums.items() if total == max(sums.values()))
        found.append(next(i for i, (of, item, _) in enumerate(rows) if (of, item) == (group, best)))
    return found


@given(ROWS, st.randoms())
def test_the_item_whose_rows_weigh_most_wins_its_group(rows, random):
    rows = sorted(random.sample(rows, len(rows)), key=lambda row: row[0])
    columns = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    assert heaviest(*columns).tolist() == by_sums(rows)
