"""What calls mean: need of the GIL, state, reason, and whose call it is, against a walk up the stack."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from twin_calls import AWAY, C_CALL, NAMES, PYTHON, WRAPPERS, call_steps, need_of, run_calls, waits_for

from gtrace.model import State
from gtrace.timeline.cells import STATE_CODES, Need
from gtrace.timeline.kinds import LEAST_WAIT_NS, Names, find_kinds
from gtrace.timeline.nesting import NO_CALL, UNRECORDED
from gtrace.timeline.steps import OUTSIDE

NEEDS = {PYTHON: Need.PYTHON, C_CALL: Need.C_CALL, AWAY: Need.AWAY}
STATES = {code: state.value for state, code in STATE_CODES.items()}
US = 1000


def kinds_of(script):
    """The kinds of a script's calls, parents as ``nest`` gives them."""
    calls = script.recorded
    names = list(NAMES)
    column = [np.array(values, dtype=np.int64) for values in (
        [names.index(c.name) for c in calls],
        [(c.end - c.start) * US for c in calls],
        [c.outer.number if c.outer else NO_CALL for c in calls],
    )]  # fmt: skip
    return find_kinds(Names.of(names), *column)


@given(call_steps())
def test_a_call_has_the_state_and_reason_that_a_walk_up_its_stack_gives(steps):
    script = run_calls(3, steps)
    kinds = kinds_of(script)
    for call in script.recorded:
        if NAMES[call.name][0] == AWAY:
            told = STATES[kinds.state[call.number]], kinds.reasons[kinds.reason[call.number]]
            assert told == waits_for(call)
        assert kinds.need[call.number] == NEEDS[NAMES[call.name][0]]
        assert kinds.waited[call.number] == NEEDS[need_of(call)]


@given(call_steps())
def test_the_caller_is_the_innermost_function_of_the_program_around_a_call(steps):
    script = run_calls(3, steps)
    kinds = kinds_of(script)
    numbers = np.array([call.number for call in script.recorded], dtype=np.int64)
    found = [kinds.names.names[name] for name in kinds.own_ancestor(numbers)]
    told = []
    for call in script.recorded:
        own = call
        while own is not None and (NAMES[own.name][0] != PYTHON or own.name in WRAPPERS):
            own = own.outer
        told.append(own.name if own else "")
    assert found == told


def of_one(name, length):
    return find_kinds(Names.of([name]), *(np.array([v], dtype=np.int64) for v in (0, length, NO_CALL)))


def test_a_blocking_call_that_returns_at_once_is_an_ordinary_c_call():
    assert of_one("time.sleep", LEAST_WAIT_NS - 1).waited[0] == Need.C_CALL
    assert of_one("time.sleep", LEAST_WAIT_NS).waited[0] == Need.AWAY
    # the agent sees whether it let the GIL go, so its name still says what it was
    assert of_one("time.sleep", LEAST_WAIT_NS - 1).need[0] == Need.AWAY


def test_no_call_and_time_between_calls_have_kinds_of_their_own():
    kinds = of_one("time.sleep", 10_000)
    assert kinds.need[[NO_CALL, UNRECORDED]].tolist() == [Need.NONE, Need.PYTHON]
    assert kinds.need[OUTSIDE] == OUTSIDE
    for special in (NO_CALL, UNRECORDED, OUTSIDE):
        assert STATES[kinds.state[special]] == State.UNKNOWN.value
        assert kinds.names.names[kinds.name[special]] == ""


def test_finding_callers_does_not_change_the_parents():
    script = run_calls(1, [(0, 2, 0), (0, 5, 1), (0, 99, 3), (0, 99, 1)])
    kinds = kinds_of(script)
    before = kinds.parents.copy()
    kinds.own_ancestor(np.arange(2))
    assert kinds.parents.tolist() == before.tolist()
