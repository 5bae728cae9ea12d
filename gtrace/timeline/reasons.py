"""What a call means for the state of its thread, told by the name viztracer gave it.

The innermost C call tells the state, the standard library's functions around it tell the reason a
person would give: a lock taken by ``Condition.wait`` inside ``Queue.get`` is a wait for a queue.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gtrace.model import State
from gtrace.timeline.blocking import BLOCKING, INHERITED, NOT_A_SOCKET, REASONS
from gtrace.timeline.callers import CALLERS, RUNS_OTHERS, UNQUALIFIED, WRAPPER_FILES

__all__ = ["REASONS", "CallClass", "caller_reason", "classify", "is_standard", "is_wrapper", "resolve"]

_PYTHON_NAME: Final = re.compile(r"(?P<function>.*) \((?P<file>.*):(?P<line>\d+)\)", re.DOTALL)
_STANDARD_LIBRARY: Final = re.compile(
    r".*[/\\](?:lib(?:64)?[/\\](?:python|pypy)\d+\.\d+t?|Lib|python\d+\.zip)[/\\](?P<module>[^<>]+)\.py"
)
_INSTALLED: Final = ("site-packages/", "dist-packages/")
_FROZEN: Final = re.compile(r"<frozen (?P<module>[\w.]+)>")


class CallClass(NamedTuple):
    """What a thread does while a call is its innermost one."""

    state: State | None
    """SLEEP, LOCK_WAIT, IO_WAIT, NATIVE, or None: it keeps the GIL, as far as is known."""
    reason: str
    """A key of ``REASONS``; empty where state is None."""
    is_python: bool
    """True for a Python function, False for a C function."""


class _Function(NamedTuple):
    module: str
    """``concurrent/futures/_base``: the file below the standard library's folder, no suffix."""
    name: str
    line: int


_PYTHON: Final = CallClass(None, "", is_python=True)
_KEEPS_THE_GIL: Final = CallClass(None, "", is_python=False)


def classify(name: str) -> CallClass:
    """The class of a call by its name in the recording; ask once per unique name.

    A wait that had a timeout is still the wait it is called after: calls alone do not tell whether
    it ran out, so an ``Event.wait(timeout)`` that did stays ``lock_wait`` and not ``sleep``. A call
    that blocks only sometimes (``lock.acquire``, ``print``) is classified as one that blocks;
    whether it did is told by how long it took.
    """
    if _PYTHON_NAME.fullmatch(name):
        return _PYTHON
    known = BLOCKING.get(name) or _inherited(name)
    return CallClass(*known, is_python=False) if known else _KEEPS_THE_GIL


def caller_reason(name: str) -> str:
    """The reason a Python function of the standard library gives to a wait inside it, or "".

    Around one blocking call the outermost of the functions that ``is_wrapper`` joins to it without
    a gap, and that have a reason, decides.
    """
    function = _standard_library_function(name)
    if function is None:
        return ""
    exact = CALLERS.get((function.module, function.name))
    return exact if exact is not None else _unqualified_reason(function)


def is_wrapper(name: str) -> bool:
    """True for a Python function of the standard library's own concurrency and I/O modules.

    Functions whose work is to call somebody else's code are none: what that waits for is its own.
    """
    function = _standard_library_function(name)
    if function is None or function.module.partition("/")[0] not in WRAPPER_FILES:
        return False
    return (function.module, function.name.rpartition(".")[2]) not in RUNS_OTHERS


def is_standard(name: str) -> bool:
    """True for a Python function of the standard library, whatever it does."""
    function = _standard_library_function(name)
    return function is not None and not function.module.startswith(_INSTALLED)


def resolve(call: CallClass, caller: str) -> tuple[State | None, str]:
    """State and reason of a blocking call, given what ``caller_reason`` says of its callers.

    ``caller`` is empty where no caller has a reason; it then leaves the call's own. A caller never
    changes what computes without the GIL, and changes a state only where the standard library
    waits in a way of its own: it polls a child process or a queue with sleeps, and a timer sleeps
    on an event. A queue that is waited for by I/O is one shared with other processes.
    """
    if not caller or call.state is None or call.state is State.NATIVE:
        return call.state, call.reason
    return _OWN_WAY.get((call.state, caller), call.state), OWN_WORD.get((call.state, caller), caller)


_OWN_WAY: Final = {
    (State.SLEEP, "child process"): State.IO_WAIT,
    (State.SLEEP, "queue"): State.LOCK_WAIT,
    (State.LOCK_WAIT, "timer"): State.SLEEP,
}
OWN_WORD: Final = {(State.IO_WAIT, "queue"): "process queue"}
"""Of a queue that is waited for by I/O the other end is in another process."""


def _inherited(name: str) -> tuple[State, str] | None:
    """A class of the program has no module in its C name: ``MySocket.recv``."""
    owner, _, method = name.rpartition(".")
    if not owner or "." in owner or owner in NOT_A_SOCKET:
        return None
    return INHERITED.get(method)


def _standard_library_function(name: str) -> _Function | None:
    found = _PYTHON_NAME.fullmatch(name)
    if found is None:
        return None
    file = _STANDARD_LIBRARY.fullmatch(found["file"]) or _FROZEN.fullmatch(found["file"])
    if file is None:
        return None
    module = file["module"].replace("\\", "/")
    if file.re is _FROZEN:
        module = module.replace(".", "/")
    return _Function(module, found["function"], int(found["line"]))


def _unqualified_reason(function: _Function) -> str:
    """The reason where the recording has the bare name of a method, as Python 3.10's have.

    Where several classes of a file share the name, the first line decides: they lie hundreds of
    lines apart, so the nearest one is right for every patch release.
    """
    candidates = UNQUALIFIED.get((function.module, function.name), ())
    if not candidates:
        return ""
    return min(candidates, key=lambda candidate: abs(candidate.line - function.line)).reason
