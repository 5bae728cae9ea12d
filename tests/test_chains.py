from __future__ import annotations

import numpy as np
import pytest

from gtrace.timeline.chains import DEPTH, find_chains
from gtrace.timeline.kinds import Names, find_kinds
from gtrace.timeline.nesting import NO_CALL, UNRECORDED


def kinds_of(names, parents):
    """Calls in a row, each of the name at its place and inside the call its parent says."""
    numbers = np.arange(len(names)), np.zeros(len(names), dtype=np.int64)
    return find_kinds(Names.of(names), *numbers, np.array(parents, dtype=np.int64))


def chains(calls, kinds):
    texts, places = find_chains(np.array(calls, dtype=np.int64), kinds)
    return [texts[place] for place in places]


def test_a_chain_leads_from_the_outermost_call_to_the_innermost():
    kinds = kinds_of(["main (a.py:1)", "work (a.py:5)", "time.sleep"], [NO_CALL, 0, 1])
    assert chains([2, 0, 1, 2], kinds) == [
        "main (a.py:1);work (a.py:5);time.sleep",
        "main (a.py:1)",
        "main (a.py:1);work (a.py:5)",
        "main (a.py:1);work (a.py:5);time.sleep",
    ]


@pytest.mark.parametrize("call", [NO_CALL, UNRECORDED])
def test_where_there_is_no_call_there_is_no_chain(call):
    assert chains([call], kinds_of(["f"], [NO_CALL])) == [""]


def test_nothing_asked_gives_nothing():
    assert chains([], kinds_of(["f"], [NO_CALL])) == []


def test_of_a_deep_recursion_the_innermost_calls_are_told():
    depth = 3 * DEPTH
    kinds = kinds_of(["main", *(f"f{n}" for n in range(depth))], [NO_CALL, *range(depth)])
    assert chains([depth], kinds) == [";".join(f"f{n}" for n in range(depth - DEPTH, depth))]


def test_the_same_call_from_two_places_has_two_chains():
    kinds = kinds_of(["a", "b", "sleep"], [NO_CALL, NO_CALL, 0])
    two = kinds_of(["a", "b", "sleep"], [NO_CALL, NO_CALL, 1])
    assert chains([2], kinds) + chains([2], two) == ["a;sleep", "b;sleep"]
