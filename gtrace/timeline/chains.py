"""The chain of calls that each interval stands in, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from gtrace.timeline.kinds import CallKinds
    from gtrace.timeline.steps import Ints

DEPTH: Final = 12
"""Calls in a chain; of deeper ones the innermost, so that recursion does not make a text of each level."""
SEPARATOR: Final = ";"


def find_chains(call: Ints, kinds: CallKinds) -> tuple[tuple[str, ...], Ints]:
    """The texts of the chains around ``call``, and for each call the place of its own.

    A text has the functions from the outermost to the call itself, at most ``DEPTH``, with
    ``SEPARATOR`` between them; it is empty where there is no call. Texts may repeat.
    """
    nameless = len(kinds.names.names) - 1
    used, place = np.unique(call, return_inverse=True)
    frames, current, code = [], used, np.zeros(len(used), dtype=np.int64)
    for _ in range(DEPTH):
        frames.append(kinds.name[current])
        if (frames[-1] == nameless).all():
            break
        code = pd.factorize(code * (nameless + 1) + frames[-1])[0].astype(np.int64)
        current = kinds.parents[current]
    if not len(used):
        return ("",), np.zeros(0, dtype=np.int64)
    _, first = np.unique(code, return_index=True)
    names = kinds.names.names
    rows = np.stack(frames[::-1], axis=1)[first].tolist()
    texts = tuple(SEPARATOR.join(names[frame] for frame in row if frame != nameless) for row in rows)
    return texts, code[place]
