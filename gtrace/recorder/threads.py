"""The registry: which threads there are, who started them and where, their names, ends and joins."""

from __future__ import annotations

import _thread
import os
import sys
import threading
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from gtrace.recorder.inject import around

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

    from gtrace.recorder.journal import Journal

HERE: Final = os.path.dirname(os.path.abspath(__file__))
STDLIB_STARTERS: Final = (
    threading.__file__,
    os.path.join(os.path.dirname(os.__file__), "concurrent", "futures", ""),
    os.path.join(os.path.dirname(os.__file__), "multiprocessing", ""),
    os.path.join(os.path.dirname(os.__file__), "asyncio", ""),
    HERE,
)
"""A thread started from these files was started by their caller, as far as a reader is concerned."""
RAW_STARTERS: Final = ("start_new_thread", "start_new", "start_joinable_thread")


def _call_site() -> str:
    """``function (file:line)`` of the innermost frame that is the program's own."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(STDLIB_STARTERS) and frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)
    return f"{name} ({code.co_filename}:{frame.f_lineno})"


def _describe(function: object) -> str:
    """The name of a thread's function, without running any code of the program."""
    while type(function).__name__ == "partial" and hasattr(function, "func"):
        function = function.func
    kind = type(function)
    if kind.__name__ in ("function", "method", "builtin_function_or_method"):
        return str(getattr(function, "__qualname__", kind.__qualname__))
    return kind.__qualname__ if not isinstance(function, type) else function.__qualname__


def _target(thread: threading.Thread) -> str:
    attributes = vars(thread)
    if isinstance(thread, threading.Timer):
        return _describe(attributes.get("function"))
    if type(thread).run is not threading.Thread.run:
        return _describe(type(thread).run)
    target = attributes.get("_target")
    return "" if target is None else _describe(target)


class Registry:
    """Writes what happens to threads into a journal, from inside the functions they pass through."""

    def __init__(self, journal: Journal, on_raw_thread: Callable[[], None]) -> None:
        self._journal = journal
        self._on_raw_thread = on_raw_thread
        self._on_end: Callable[[], str | None] = lambda: None
        self._keys: dict[int, int] = {}
        self._last_key = 0

    def install(self, on_end: Callable[[], str | None]) -> list[str]:
        """Hooks the threading module; gives the names of functions it could not hook."""
        self._on_end = on_end
        hooks: tuple[tuple[str, Any, Callable[..., Any], Callable[[Any], None]], ...] = (
            ("start", threading.Thread.start, self._before_start, _nothing),
            ("_bootstrap_inner", threading.Thread._bootstrap_inner, self._begin, self._end),  # type: ignore[attr-defined]
            ("join", threading.Thread.join, self._before_join, self._after_join),
            ("name", threading.Thread.name.fset, self._before_name, self._after_name),  # type: ignore[attr-defined]
        )
        missing = [name for name, function, *calls in hooks if not _hook(function, *calls)]
        for name in RAW_STARTERS:
            if hasattr(_thread, name):
                setattr(_thread, name, self._raw_starter(getattr(_thread, name)))
        return missing

    def record_main(self) -> None:
        main = threading.current_thread()
        key = self._new_key(main)
        self._journal.append("start", time=monotonic_ns(), key=key, parent=-1, target="", created="")
        self._journal.append(
            "begin",
            time=monotonic_ns(),
            key=key,
            tid=threading.get_native_id(),
            ident=threading.get_ident(),
            name=main.name,
            daemon=main.daemon,
        )

    def move_to(self, journal: Journal) -> None:
        """After a fork: only the forking thread is left, and it writes to a file of its own."""
        self._journal = journal
        self._keys.clear()
        self.record_main()

    def _new_key(self, thread: threading.Thread) -> int:
        self._last_key += 1
        self._keys[id(thread)] = self._last_key
        return self._last_key

    def _before_start(self, thread: threading.Thread) -> None:
        if thread._started.is_set():  # type: ignore[attr-defined]
            return  # a second start() raises, and the thread keeps its key
        self._journal.append(
            "start",
            time=monotonic_ns(),
            key=self._new_key(thread),
            parent=threading.get_native_id(),
            target=_target(thread),
            created=_call_site(),
        )

    def _begin(self, thread: threading.Thread) -> int:
        key = self._keys.get(id(thread), 0)
        self._record_begin(key, thread.name, thread.daemon)
        return key

    def _record_begin(self, key: int, name: str, daemon: bool) -> None:  # noqa: FBT001  a fact to record
        self._journal.append(
            "begin",
            time=monotonic_ns(),
            key=key,
            tid=threading.get_native_id(),
            ident=threading.get_ident(),
            name=name,
            daemon=daemon,
        )

    def _end(self, key: int) -> None:
        note = self._on_end()
        self._journal.append("end", time=monotonic_ns(), key=key, note=note)

    def _before_join(self, thread: threading.Thread, timeout: float | None = None) -> tuple[Any, ...]:
        return thread, timeout, monotonic_ns()

    def _after_join(self, token: tuple[threading.Thread, float | None, int]) -> None:
        thread, timeout, began = token
        if not thread._started.is_set():  # type: ignore[attr-defined]
            return
        alive = threading.Thread.is_alive(thread)
        self._journal.append(
            "join",
            time=began,
            end=monotonic_ns(),
            tid=threading.get_native_id(),
            key=self._keys.get(id(thread), 0),
            timeout=None if timeout is None else float(timeout),
            outcome="ended" if not alive else "interrupted" if timeout is None else "timed out",
        )

    def _before_name(self, thread: threading.Thread, _name: object) -> threading.Thread:
        return thread

    def _after_name(self, thread: threading.Thread) -> None:
        key = self._keys.get(id(thread))
        if key is not None:
            self._journal.append("name", time=monotonic_ns(), key=key, name=thread.name)

    def _raw_starter(self, start: Callable[..., Any]) -> Callable[..., Any]:
        """``_thread.start_new_thread`` and its kin, recording the thread that ``threading`` never sees."""

        def starter(function: Callable[..., Any], *rest: Any, **options: Any) -> Any:
            if not callable(function):
                return start(function, *rest, **options)  # raises its own error
            raw = _RawThread(self, function, self._before_raw(function))
            return start(raw, *rest, **options)

        starter.__name__ = starter.__qualname__ = start.__name__
        starter.__doc__ = start.__doc__
        return starter

    def _before_raw(self, function: object) -> int:
        self._last_key += 1
        key = self._last_key
        self._journal.append(
            "start",
            time=monotonic_ns(),
            key=key,
            parent=threading.get_native_id(),
            target=_describe(function),
            created=_call_site(),
        )
        return key

    def begin_raw(self, key: int, function: object) -> None:
        self._on_raw_thread()
        self._record_begin(key, _describe(function), daemon=True)

    def end_raw(self, key: int) -> None:
        self._end(key)


class _RawThread:
    """Calls the function of a raw thread between the records of its begin and its end."""

    def __init__(self, registry: Registry, function: Callable[..., Any], key: int) -> None:
        self.registry, self.function, self.key = registry, function, key

    def __repr__(self) -> str:
        return repr(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.registry.begin_raw(self.key, self.function)
        try:
            self.function(*args, **kwargs)
        except SystemExit:
            pass
        except BaseException as error:
            _report_as_the_interpreter_would(error, self.function)
        finally:
            self.registry.end_raw(self.key)


# viztracer leaves out what this folder's files call, but here the program's own code is called
_RawThread.__call__.__code__ = _RawThread.__call__.__code__.replace(co_filename="<gtrace>")


def _report_as_the_interpreter_would(error: BaseException, function: object) -> None:
    """Hands an uncaught error of a raw thread to ``sys.unraisablehook``, our frame taken off."""
    trace = error.__traceback__
    error.__traceback__ = None if trace is None else trace.tb_next
    message = "Exception ignored in thread started by"
    arguments = _unraisable_type()((type(error), error, error.__traceback__, message, function))
    sys.unraisablehook(arguments)


def _unraisable_type() -> type:
    """The type of the argument of ``sys.unraisablehook``; only an instance tells it."""
    found: list[type] = []

    class Dying:
        def __del__(self) -> None:
            raise ValueError

    before, sys.unraisablehook = sys.unraisablehook, lambda args: found.append(type(args))
    try:
        Dying()
    finally:
        sys.unraisablehook = before
    return found[0]


def _nothing(_token: object) -> None:
    pass


def _hook(function: FunctionType, before: Callable[..., Any], after: Callable[[Any], None]) -> bool:
    return around(function, "Thread", before, after)
