"""What a probe is: a function that waits once, in one known way."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

WAIT_S = 0.03
BIG = random.Random(1).randbytes(1 << 20)
FOLDER = Path(tempfile.mkdtemp())


class Probe(NamedTuple):
    state: str
    reason: str
    run: Callable[[], object]


PROBES: list[Probe] = []


def probe(
    state: str, reason: str, *, since: tuple[int, int] = (3, 10)
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Registers a function that waits once for ``reason``."""

    def register(function: Callable[[], object]) -> Callable[[], object]:
        if sys.version_info >= since:
            PROBES.append(Probe(state, reason, function))
        return function

    return register


def later(action: Callable[..., object], *args: object) -> threading.Thread:
    """Does ``action`` in another thread while this one waits."""

    def run() -> None:
        time.sleep(WAIT_S)
        action(*args)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
