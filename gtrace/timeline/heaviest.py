"""Of the items of each group the one that weighs most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gtrace.timeline.steps import Ints


def heaviest(groups: Ints, items: Ints, weights: Ints) -> Ints:
    """One row number a group, in order of the groups: the first row of the item whose rows weigh most.

    ``groups`` are sorted and ``items`` not negative; of equally heavy items the smallest counts.
    """
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(groups)])
    rows = np.diff(np.append(starts, len(groups)))
    result = starts.copy()
    # most groups have one row, and the others are sorted at the price of their own rows alone
    several = np.repeat(rows > 1, rows)
    if several.any():
        number = np.repeat(np.arange(len(starts)), rows)[several]
        result[rows > 1] = _heaviest_of_several(
            number, items[several], weights[several], np.flatnonzero(several)
        )
    return result


def _heaviest_of_several(groups: Ints, items: Ints, weights: Ints, rows: Ints) -> Ints:
    keys = groups * (int(items.max()) + 1) + items
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    totals = np.add.reduceat(weights[order], firsts)
    group = groups[order][firsts]
    begins = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    most = np.repeat(np.maximum.reduceat(totals, begins), np.diff(np.append(begins, len(group))))
    top = np.flatnonzero(totals == most)
    top = top[np.append(True, group[top][1:] != group[top][:-1])]
    winners: Ints = rows[order[firsts[top]]]
    return winners
