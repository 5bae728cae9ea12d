"""What the calls of a process mean: each call's need of the GIL, its state and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.model import State
from gtrace.timeline.cells import STATE_CODES, Need
from gtrace.timeline.nesting import NO_CALL, UNRECORDED
from gtrace.timeline.reasons import caller_reason, classify, is_wrapper, resolve
from gtrace.timeline.steps import OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.timeline.steps import Ints

LEAST_WAIT_NS: Final = 2_000
"""A blocking call that returns sooner has not slept: the kernel needs longer to switch threads."""
DEEPEST_STACK: Final = 1 << 16


@dataclass(frozen=True)
class Names:
    """One entry a distinct function name, the last one standing for no call at all."""

    names: tuple[str, ...]
    needs: Ints
    wrappers: NDArray[np.bool_]
    own: NDArray[np.bool_]
    """Python functions that are not the standard library's own waiting code."""
    callers: tuple[str, ...]

    @classmethod
    def of(cls, names: list[str]) -> Names:
        classes = [classify(name) for name in names]
        wrappers = [is_wrapper(name) for name in names]
        needs = [
            Need.AWAY if c.state is not None else Need.PYTHON if c.is_python else Need.C_CALL for c in classes
        ]
        own = [c.is_python and not w for c, w in zip(classes, wrappers, strict=True)]
        return cls(
            (*names, ""),
            np.array([*needs, Need.NONE], dtype=np.int64),
            np.array([*wrappers, False]),
            np.array([*own, False]),
            (*(caller_reason(name) for name in names), ""),
        )


@dataclass(frozen=True)
class CallKinds:
    """Per call: name, need, state code and reason number.

    Three more entries at the end stand for ``UNRECORDED``, ``OUTSIDE`` and ``NO_CALL``.
    """

    names: Names
    name: Ints
    need: Ints
    waited: Ints
    """``need``, but a blocking call that returned too soon to have slept is an ordinary C call."""
    state: Ints
    reason: Ints
    reasons: tuple[str, ...]
    parents: Ints

    def own_ancestor(self, calls: Ints) -> Ints:
        """The name number of the innermost function of the program's own around each call."""
        current = np.where(calls == UNRECORDED, NO_CALL, calls)
        for _ in range(DEEPEST_STACK):
            foreign = (current != NO_CALL) & ~self.names.own[self.name[current]]
            if not foreign.any():
                break
            current[foreign] = self.parents[current[foreign]]
        return self.name[current]


def find_kinds(names: Names, name: Ints, lengths: Ints, parents: Ints) -> CallKinds:
    """Classifies calls ``name[i]`` that took ``lengths[i]`` ns inside call ``parents[i]``."""
    name = np.append(name, [len(names.names) - 1] * 3)
    parents = np.append(parents, [NO_CALL] * 3)
    need = names.needs[name]
    need[UNRECORDED], need[OUTSIDE] = Need.PYTHON, OUTSIDE
    brief = (need == Need.AWAY) & (np.append(lengths, [0, 0, 0]) < LEAST_WAIT_NS)
    waited = np.where(brief, Need.C_CALL, need)
    state = np.full(len(name), STATE_CODES[State.UNKNOWN], dtype=np.int64)
    reason = np.zeros(len(name), dtype=np.int64)
    reasons = {"": 0}
    waits = np.flatnonzero(need == Need.AWAY)
    caller = _outermost_caller(names, name, parents, waits)
    pairs, inverse = np.unique(name[waits] * len(names.names) + caller, return_inverse=True)
    found = [_resolve(names, int(p) // len(names.names), int(p) % len(names.names)) for p in pairs]
    numbers = [reasons.setdefault(text, len(reasons)) for _, text in found]
    if len(waits):
        state[waits] = np.array([STATE_CODES[s] for s, _ in found])[inverse]
        reason[waits] = np.array(numbers)[inverse]
    return CallKinds(names, name, need, waited, state, reason, tuple(reasons), parents)


def _outermost_caller(names: Names, name: Ints, parents: Ints, waits: Ints) -> Ints:
    """For each waiting call the name of the outermost wrapper around it, without a gap, with a reason."""
    has_reason = np.array([bool(c) for c in names.callers])
    best = np.full(len(waits), len(names.names) - 1, dtype=np.int64)
    current = parents[waits]
    for _ in range(DEEPEST_STACK):
        inside = names.wrappers[name[current]]
        current = np.where(inside, current, NO_CALL)
        if not inside.any():
            break
        best = np.where(inside & has_reason[name[current]], name[current], best)
        current = parents[current]
    return best


def _resolve(names: Names, name: int, caller: int) -> tuple[State, str]:
    state, reason = resolve(classify(names.names[name]), names.callers[caller])
    return state or State.UNKNOWN, reason
