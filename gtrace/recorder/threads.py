"""The registry: which threads there are, who started them and where, their names, ends and joins."""

from __future__ import annotations

import _thread
import collections
import functools
import itertools
import os
import sys
import threading
from _thread import get_ident, get_native_id
from json.encoder import JSONEncoder, encode_basestring_ascii
from time import monotonic_ns

from gtrace.recorder import agent
from gtrace.recorder.inject import around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FunctionType
    from typing import Any, Final

    from gtrace.recorder.journal import Journal, NoJournal

HERE: Final = os.path.dirname(os.path.abspath(__file__))
STDLIB_STARTERS: Final = (
    threading.__file__,
    os.path.join(os.path.dirname(os.__file__), "concurrent", "futures", ""),
    os.path.join(os.path.dirname(os.__file__), "multiprocessing", ""),
    os.path.join(os.path.dirname(os.__file__), "asyncio", ""),
    HERE,
)
"""A thread started from these files was started by their caller, as far as a reader is concerned."""
_encode: Final = JSONEncoder().encode
_JSON: Final = ("false", "true")
FUNCTION: Final = type(lambda: None)
OWN_FRAMES: Final = 3
"""That stand between the look for a call site and what calls the registry."""
MOST_SITES: Final = 1000
_sites: Final[dict[tuple[int, int], tuple[CodeType, str]]] = {}
"""Call sites found before, by code object and place in it; who keeps the object keeps its id from others."""
RAW_STARTERS: Final = ("start_new_thread", "start_new")


def _quoted(text: object) -> str:
    """As JSON; a thread's name is text unless the program meddles with it."""
    return encode_basestring_ascii(text if isinstance(text, str) else str(text))


def _call_site() -> str:
    """``function (file:line)``, as JSON, of the innermost frame that is the program's own."""
    frame = sys._getframe(OWN_FRAMES)
    while frame.f_code.co_filename.startswith(STDLIB_STARTERS) and frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    known = _sites.get((id(code), frame.f_lasti))
    if known is not None:
        return known[1]
    name = getattr(code, "co_qualname", code.co_name)
    site = _quoted(f"{name} ({code.co_filename}:{frame.f_lineno})")
    if len(_sites) < MOST_SITES:
        _sites[id(code), frame.f_lasti] = code, site
    return site


def _describe(function: object) -> str:
    """The name of a thread's function, without running any code of the program."""
    if type(function) is FUNCTION:
        return function.__qualname__
    while type(function).__name__ == "partial" and hasattr(function, "func"):
        function = function.func
    kind = type(function)
    if kind.__name__ in ("function", "method", "builtin_function_or_method"):
        return str(getattr(function, "__qualname__", kind.__qualname__))
    return kind.__qualname__ if not isinstance(function, type) else function.__qualname__


def _target(thread: threading.Thread) -> str:
    attributes = vars(thread)
    if type(thread) is threading.Thread:
        target = attributes.get("_target")
        return "" if target is None else _describe(target)
    if isinstance(thread, threading.Timer):
        return _describe(attributes.get("function"))
    if type(thread).run is not threading.Thread.run:
        return _describe(type(thread).run)
    target = attributes.get("_target")
    return "" if target is None else _describe(target)


class Registry:
    """Writes what happens to threads into a journal, from inside the functions they pass through."""

    def __init__(self, journal: Journal | NoJournal, on_raw_thread: Callable[[], None]) -> None:
        self.journal = journal
        self.thread_type = threading.Thread
        self.keys: dict[int, int] = {}
        self.next_key = itertools.count(1).__next__
        self.sites = _sites
        self._on_raw_thread = on_raw_thread
        self._on_end: Callable[[], str | None] = lambda: None

    def install(self, on_end: Callable[[], str | None] | None) -> list[str]:
        """Hooks the threading module; gives the names of functions it could not hook.

        ``on_end`` is called in each thread at its end, and gives what else is to be said of it, or None.
        """
        self._on_end = on_end or self._on_end
        use = self if on_end else agent.plain_threads(self) or self
        hooks: tuple[tuple[str, Any, Callable[..., Any], Callable[[Any], None]], ...] = (
            ("start", threading.Thread.start, use.before_start, use.nothing),
            ("_bootstrap_inner", threading.Thread._bootstrap_inner, use.begin, use.end),  # type: ignore[attr-defined]
            ("join", threading.Thread.join, use.before_join, use.after_join),
            ("name", threading.Thread.name.fset, self._before_name, self._after_name),  # type: ignore[attr-defined]
        )
        missing = [name for name, function, *calls in hooks if not _hook(function, *calls)]
        for name in RAW_STARTERS:
            if hasattr(_thread, name):
                setattr(_thread, name, self._raw_starter(getattr(_thread, name)))
        return missing

    def record_main(self) -> None:
        main = threading.current_thread()
        key = self.keys[id(main)] = self.next_key()
        self.journal.append("start", time=monotonic_ns(), key=key, parent=-1, target="", created="")
        self._record_begin(key, main.name, main.daemon)

    def move_to(self, journal: Journal | NoJournal) -> None:
        """After a fork: only the forking thread is left, and it writes to a file of its own."""
        self.journal = journal
        self.keys.clear()
        self.record_main()

    def before_start(self, thread: threading.Thread) -> None:
        if not _is_initialized(thread) or thread._started.is_set():  # type: ignore[attr-defined]
            return  # start() raises, and a thread that was started keeps its key
        key = self.keys[id(thread)] = self.next_key()
        self._record_start(key, _target(thread))

    def _record_start(self, key: int, target: str) -> None:
        self.journal.append_json(
            f'{{"event":"start","time":{monotonic_ns()},"key":{key},"parent":{get_native_id()}'
            f',"target":{encode_basestring_ascii(target)},"created":{_call_site()}}}'
        )

    def nothing(self, token: object) -> None:
        """After a start."""

    def begin(self, thread: threading.Thread) -> int:
        key = self.keys.get(id(thread), 0)
        self._record_begin(key, thread.name, thread.daemon)
        return key

    def _record_begin(self, key: int, name: str, daemon: bool) -> None:  # noqa: FBT001  a fact to record
        self.journal.append_json(
            f'{{"event":"begin","time":{monotonic_ns()},"key":{key},"tid":{get_native_id()}'
            f',"ident":{get_ident()},"name":{_quoted(name)},"daemon":{_JSON[bool(daemon)]}}}'
        )

    def end(self, key: int) -> None:
        note = self._on_end()
        said = "" if note is None else f',"note":{_quoted(note)}'
        self.journal.append_json(f'{{"event":"end","time":{monotonic_ns()},"key":{key}{said}}}')

    def before_join(self, thread: threading.Thread, timeout: float | None = None) -> tuple[Any, ...]:
        return thread, timeout, monotonic_ns()

    def after_join(self, token: tuple[threading.Thread, float | None, int]) -> None:
        thread, timeout, began = token
        if not _is_initialized(thread) or not thread._started.is_set():  # type: ignore[attr-defined]
            return
        alive = threading.Thread.is_alive(thread)
        outcome = "ended" if not alive else "interrupted" if timeout is None else "timed out"
        limit = "null" if timeout is None else _encode(float(timeout))
        self.journal.append_json(
            f'{{"event":"join","time":{began},"end":{monotonic_ns()},"tid":{get_native_id()}'
            f',"key":{self.keys.get(id(thread), 0)},"timeout":{limit},"outcome":"{outcome}"}}'
        )

    def _before_name(self, thread: threading.Thread, _name: object) -> threading.Thread:
        return thread

    def _after_name(self, thread: threading.Thread) -> None:
        key = self.keys.get(id(thread))
        if key is not None:
            self.journal.append("name", time=monotonic_ns(), key=key, name=thread.name)

    def _raw_starter(self, start: Callable[..., Any]) -> Callable[..., Any]:
        """``_thread.start_new_thread``, recording the thread that ``threading`` never sees."""

        def starter(*arguments: Any, **options: Any) -> Any:
            if options or not _can_start(arguments):
                return start(*arguments, **options)  # raises its own error
            return start(self._raw_thread(*arguments), ())

        starter.__name__ = starter.__qualname__ = start.__name__
        starter.__doc__ = start.__doc__
        return starter

    def _raw_thread(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> _RawThread:
        once = self._raw_lifetime(self._before_raw(function), function, args)
        called = functools.partial(function, **kwargs) if kwargs else function
        thread = _RawThread(collections.deque, itertools.starmap(called, once), 0)
        thread.function = function
        return thread

    def _before_raw(self, function: object) -> int:
        key = self.next_key()
        self._record_start(key, _describe(function))
        return key

    def _raw_lifetime(self, key: int, function: object, args: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Gives the arguments of the one call, between the records of the thread's begin and end."""
        self._on_raw_thread()
        self._record_begin(key, _describe(function), daemon=True)
        try:
            yield args
        finally:
            self.end(key)


class _RawThread(functools.partial):  # type: ignore[type-arg]
    """Calls the function of a raw thread from C, so that no stack in it shows a frame of ours.

    A deque takes from a starmap, which calls the function with what a generator yields; while the
    function runs, the generator is suspended and on nobody's stack.
    """

    function: Callable[..., Any]

    def __repr__(self) -> str:
        return repr(self.function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def _can_start(arguments: tuple[Any, ...]) -> bool:
    """Whether ``start_new_thread`` takes these."""
    kinds: tuple[type, ...] = (object, tuple, dict)
    return (
        2 <= len(arguments) <= len(kinds)  # noqa: PLR2004  (function, args[, kwargs])
        and callable(arguments[0])
        and all(map(isinstance, arguments, kinds))
    )


def _is_initialized(thread: threading.Thread) -> bool:
    return bool(thread._initialized)  # type: ignore[attr-defined]


def _hook(function: FunctionType, before: Callable[..., Any], after: Callable[[Any], None]) -> bool:
    return around(function, "Thread", before, after)
