"""Which lock each thread waits for, and which it has, at the moment the program is asked to end.

A lock does not say who has it. The stacks do: a thread that stands inside ``with lock:`` has it.
Nothing of the program is called to find out: names are looked up where they are kept.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import ast
import os
import sys
import threading
import types
from contextlib import suppress

from gtrace.recorder.statements import awaited, had

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, Final

    from gtrace.recorder.journal import Journal, NoJournal

HERE: Final = os.path.dirname(os.path.abspath(__file__))
MOST_THREADS: Final = 200
MOST_FRAMES: Final = 100
"""Who ends a program does not want to wait: deeper frames and further threads are left out."""
MISSING: Final = object()
LOCK: Final = type(_thread.allocate_lock())
RLOCK: Final = _thread.RLock


def record(journal: Journal | NoJournal, time: int) -> None:
    """Writes a line for each lock that a thread waits for, and for each it has, if any thread waits.

    ``time`` is the moment on CLOCK_MONOTONIC (ns) that they are said to tell of.

    On a free-threaded interpreter frames of other threads may not be looked into: nothing is written.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return
    own, stacks = _thread.get_ident(), _stacks()
    stood = {ident: stack[0].f_lasti for ident, stack in stacks.items()}
    waits = {ident: wait for ident, stack in stacks.items() if (wait := _wait(ident, stack))}
    found = [(ident, "waits", wait) for ident, wait in waits.items()]
    if any(wait["kind"] != "thread" for wait in waits.values()):
        found += [
            (ident, "has", lock)
            for ident, stack in stacks.items()
            for lock in _had(ident, stack, waits.get(ident, {}).get("lock", 0))
        ]
    # other threads went on meanwhile, but for those that wait in vain: what moved was not seen at one time
    later = _stacks() if found else {}
    for ident, role, lock in found:
        stack = later.get(ident)
        if stack and stack[0] is stacks[ident][0] and stack[0].f_lasti == stood[ident]:
            journal.append("lock", time=time, ident=ident, role=role, asking=ident == own, **lock)


def _stacks() -> dict[int, list[FrameType]]:
    """The frames of the program's threads by ident, innermost first."""
    tops = [*sys._current_frames().items()][:MOST_THREADS]
    return {ident: frames for ident, top in tops if (frames := _own_frames(top))}


def on_interrupt(before: Callable[[], None]) -> None:
    """Calls ``before`` when Ctrl-C comes and the program leaves it to Python's own handler.

    The exception it raises lets go of what the main thread has: later would be too late. As in
    ``exits`` a class stands in, of which no frame is left when the real handler raises.
    """
    default = _signal.default_int_handler

    def new(cls: type, *_arguments: Any) -> object:
        with suppress(KeyboardInterrupt):  # a second Ctrl-C meanwhile: the first one is about to raise
            before()
        return object.__new__(cls)

    members = {"__new__": new, "__init__": default, "__doc__": default.__doc__, "__module__": "_signal"}
    kind = type(type(default).__name__, (type,), {"__repr__": lambda _cls: repr(default)})
    stand_in = kind("default_int_handler", (), members)
    for module in filter(None, (_signal, sys.modules.get("signal"))):
        vars(module)["default_int_handler"] = stand_in
    if _signal.getsignal(_signal.SIGINT) is default:
        _signal.signal(_signal.SIGINT, stand_in)


def _own_frames(top: FrameType | None) -> list[FrameType]:
    """The frames of a thread, innermost first, without those of the recorder."""
    while top is not None and top.f_code.co_filename.startswith(HERE):
        top = top.f_back
    frames: list[FrameType] = []
    while top is not None and len(frames) < MOST_FRAMES:
        frames.append(top)
        top = top.f_back
    return frames


def _wait(ident: int, stack: list[FrameType]) -> dict[str, Any] | None:
    """The lock, or the thread whose end, the thread ``ident`` waits for without a limit of time."""
    joined = _joined(stack)
    if joined is not None:
        return joined
    frame = stack[0]
    if frame.f_code is threading.Condition.wait.__code__:
        return None  # for a word, not for a lock that somebody has
    found = awaited(frame)
    if found is None:
        return None
    expression, call = found
    lock = _primitive(_resolve(expression, frame))
    if lock is MISSING or (call is not None and not _is_endless(call, frame)):
        return None
    owner = _owner(lock)
    if owner == ident or not (LOCK.locked(lock) if owner is None else owner):
        return None
    outer = _beyond_threading(stack)
    seen = (expression, frame) if outer is frame else _name_outside(outer, lock) or (expression, frame)
    return _lock(lock, seen[0], outer)


def _joined(stack: list[FrameType]) -> dict[str, Any] | None:
    for frame in stack:
        if frame.f_code is threading.Thread.join.__code__:
            thread, timeout = frame.f_locals.get("self"), frame.f_locals.get("timeout")
            if timeout is not None or thread is None:
                return None
            ident = threading.Thread.ident.fget(thread)  # type: ignore[attr-defined]
            joined = {"lock": id(thread), "kind": "thread", "name": "", "owner": ident or 0}
            outside = _beyond_threading(stack)
            return {**joined, "where": _where(outside, outside.f_lineno), "evidence": "exact"}
        if frame.f_code.co_filename != threading.__file__:
            return None
    return None


def _had(ident: int, stack: list[FrameType], awaited_lock: int) -> Iterator[dict[str, Any]]:
    """The locks a thread has: by their own word, or because it stands where only an owner comes.

    A thread that takes a plain lock by hand and then waits for it may be waiting for a word: another
    thread is to let it go.
    """
    said: set[int] = set()
    waiting = [frame for frame in stack if frame.f_code is threading.Condition.wait.__code__]
    let_go = [id(_primitive(frame.f_locals.get("self"))) for frame in waiting]
    for frame in (frame for frame in stack if frame not in waiting):
        for expression, statement in had(frame):
            lock = _primitive(_resolve(expression, frame))
            if lock is MISSING or id(lock) in said or id(lock) in let_go:
                continue
            owner = _owner(lock)
            if owner is None and id(lock) == awaited_lock and not isinstance(statement, ast.With):
                continue
            if owner == ident or (owner is None and LOCK.locked(lock)):
                said.add(id(lock))
                evidence = "derived" if owner is None else "exact"
                taken = _where(frame, expression.lineno)
                yield {**_lock(lock, expression, frame), "where": taken, "evidence": evidence}


def _lock(lock: object, expression: ast.expr, frame: FrameType) -> dict[str, Any]:
    kind = "Lock" if _is_a(lock, LOCK) else "RLock"
    where, owner = _where(frame, frame.f_lineno), _owner(lock) or 0
    known = {"lock": id(lock), "kind": kind, "name": ast.unparse(expression), "where": where}
    return {**known, "owner": owner, "evidence": "derived"}


def _where(frame: FrameType, line: int) -> str:
    code = frame.f_code
    return f"{getattr(code, 'co_qualname', code.co_name)} ({code.co_filename}:{line})"


def _beyond_threading(stack: list[FrameType]) -> FrameType:
    """The innermost frame that is not of the module threading."""
    return next((frame for frame in stack if frame.f_code.co_filename != threading.__file__), stack[0])


def _name_outside(frame: FrameType, lock: object) -> tuple[ast.expr, FrameType] | None:
    """What the program calls a lock that a class of threading has in itself."""
    found = awaited(frame)
    if found is None or _primitive(_resolve(found[0], frame)) is not lock:
        return None
    return found[0], frame


def _primitive(value: object) -> Any:
    """The lock inside ``value``: itself, or that of a condition; MISSING where there is none."""
    if type(value) is threading.Condition:
        value = vars(value).get("_lock")
    return value if _is_a(value, LOCK, RLOCK) else MISSING


def _is_a(value: object, *kinds: type) -> bool:
    """As ``isinstance``, which asks the object itself, that may answer with code of the program."""
    return issubclass(type(value), kinds)


def _owner(lock: object) -> int | None:
    """The ident of the thread that has a reentrant lock, 0 for nobody; None for a lock that has no owner."""
    if not _is_a(lock, RLOCK):
        return None
    return int(RLOCK.__repr__(lock).partition("owner=")[2].split()[0])


def _is_endless(call: ast.Call, frame: FrameType) -> bool:
    """Whether ``acquire`` is told to wait, and as long as it takes."""
    names = ("blocking", "timeout")
    given = dict(zip(names, call.args, strict=False)) | {word.arg: word.value for word in call.keywords}
    blocking = _resolve(given["blocking"], frame) if "blocking" in given else True
    timeout = _resolve(given["timeout"], frame) if "timeout" in given else -1
    plain = type(blocking) in (bool, int) and type(timeout) in (int, float)
    return bool(plain and blocking and timeout == -1) and not set(given) - set(names)


def _resolve(expression: ast.expr, frame: FrameType) -> Any:
    """The object an expression means in ``frame``, found without any call; MISSING where that takes one."""
    if isinstance(expression, (ast.Constant, ast.UnaryOp)):
        with suppress(ValueError):
            return ast.literal_eval(expression)
    if isinstance(expression, ast.Name):
        # the body of a class may have a mapping of the program's own
        names = frame.f_locals if type(frame.f_locals).__module__ == "builtins" else {}
        local = names.get(expression.id, MISSING)
        return frame.f_globals.get(expression.id, MISSING) if local is MISSING else local
    if isinstance(expression, ast.Attribute):
        return _attribute(_resolve(expression.value, frame), expression.attr)
    if isinstance(expression, ast.Subscript):
        return _item(_resolve(expression.value, frame), _resolve(expression.slice, frame))
    return MISSING


def _attribute(owner: object, name: str) -> Any:
    if owner is MISSING:
        return MISSING
    if _is_a(owner, types.ModuleType):
        return vars(owner).get(name, MISSING)
    classes = type.__dict__["__mro__"].__get__(owner if _is_a(owner, type) else type(owner))
    found = [_kept(owner, each, classes) for each in _mangled(name, classes)]
    found = [value for value in found if value is not MISSING]
    return found[0] if len(found) == 1 else MISSING


def _mangled(name: str, classes: tuple[type, ...]) -> list[str]:
    """The names under which an attribute may be kept: a private one has that of its class in it."""
    if not name.startswith("__") or name.endswith("__"):
        return [name]
    return [f"_{cls.__name__.lstrip('_')}{name}" for cls in classes]


def _kept(owner: object, name: str, classes: tuple[type, ...]) -> Any:
    """What an object has under ``name``: of its own, in a slot, or by its class."""
    kept = next((vars(cls)[name] for cls in classes if name in vars(cls)), MISSING)
    if _is_a(owner, type):
        return kept
    try:
        if isinstance(kept, types.MemberDescriptorType):
            return kept.__get__(owner)
        own = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return MISSING if isinstance(kept, types.MemberDescriptorType) else kept
    return own.get(name, kept) if type(own) is dict else kept


def _item(owner: object, key: object) -> Any:
    if type(owner) in (list, tuple) and type(key) is int:
        return owner[key] if -len(owner) <= key < len(owner) else MISSING  # type: ignore[arg-type, index]
    if type(owner) is dict and type(key) in (int, str):
        return owner.get(key, MISSING)
    return MISSING
