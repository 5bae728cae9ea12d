"""Records every call through viztracer, beside whatever profiler the program uses itself."""

from __future__ import annotations

import errno
import gc
import os
import sys
import threading
import types
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

from gtrace.recorder import agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

HERE: Final = os.path.dirname(os.path.abspath(__file__))
VIZTRACER_TOOL: Final = 2
"""The sys.monitoring tool id built into viztracer, which is also that of cProfile."""
FREE_TOOLS: Final = (4, 3)
"""Ids that no tool of the standard library takes."""
END: Final = b"}}"
"""How a whole dump ends."""
NOT_UTF8: Final = "names that are not UTF-8"


class _Nameless:
    name = ""


class _Threading(types.ModuleType):
    """``threading`` as viztracer sees it.

    viztracer asks for the current thread's name before the thread has one: on 3.12+ that leaves a
    dummy thread behind in the program, and a name that is not UTF-8 ends the process. The names
    are in the registry, so viztracer is told none.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    @staticmethod
    def current_thread() -> _Nameless:
        return _Nameless()


class _Multiprocessing(types.ModuleType):
    current_process = _Nameless


class _Monitoring:
    """``sys.monitoring`` with viztracer moved to an id that leaves cProfile its own."""

    def __init__(self, tool: int) -> None:
        self.tool = tool

    def __getattr__(self, name: str) -> Any:
        real = getattr(sys.monitoring, name)  # type: ignore[attr-defined,unused-ignore]
        if name not in ("use_tool_id", "free_tool_id", "register_callback", "set_events", "get_tool"):
            return real
        return lambda _tool, *args: real(self.tool, *args)


def _sys_with(monitoring: _Monitoring) -> types.ModuleType:
    module = types.ModuleType("sys")
    module.__dict__["monitoring"] = monitoring
    return module


def _stand_ins() -> dict[str, types.ModuleType | None]:
    """What viztracer's extension finds when it imports these, once, at its start."""
    found: dict[str, types.ModuleType | None] = {
        "threading": _Threading("threading"),
        # for the name of the process and the arguments of calls, neither of which is recorded: loading
        # the real ones would cost the program a tenth of a second
        "multiprocessing": _Multiprocessing("multiprocessing"),
        "json": types.ModuleType("json"),
        # it would be imported into a program that never asked for it
        "trio": None,
    }
    if sys.version_info >= (3, 12):
        free = [tool for tool in FREE_TOOLS if sys.monitoring.get_tool(tool) is None]
        if free:
            found["sys"] = _sys_with(_Monitoring(free[0]))
    return found


def _load_extension() -> tuple[types.ModuleType, str]:
    """Loads viztracer's extension among the stand-ins; gives it and its version.

    Nothing is left in ``sys.modules``: a program that imports viztracer gets it as ever.
    """
    package = find_spec("viztracer")
    if package is None or not package.submodule_search_locations or package.origin is None:
        raise ModuleNotFoundError("No module named 'viztracer'", name="viztracer")
    spec = PathFinder.find_spec("viztracer.snaptrace", list(package.submodule_search_locations))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'viztracer.snaptrace'", name="viztracer")
    stand_ins = _stand_ins()
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)  # type: ignore[arg-type]
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, real in before.items():
            if real is None:
                del sys.modules[name]
            else:
                sys.modules[name] = real
    sys.modules.pop(spec.name, None)
    return module, _version(package.origin)


def _version(package: str) -> str:
    """As the package says, without importing it."""
    with open(package, encoding="utf-8") as file:
        line = next((line for line in file if line.startswith("__version__")), "")
    return line.partition("=")[2].strip().strip("\"'")


class CallsUnavailable(Exception):  # noqa: N818  (a state of this program, not a fault)
    """The calls cannot be recorded, or not saved; the text says why."""


class CallRecorder:
    """viztracer for one process; what is recorded goes to ``calls.PID.N.json``."""

    def __init__(self, folder: str, entries: int) -> None:
        """Raises ImportError where viztracer is missing, CallsUnavailable where it would end the program."""
        # kept: a module that is freed takes with it what its tracer still uses
        self._snaptrace, self.version = _load_extension()
        self._guarded = agent.guard_names(str(self._snaptrace.__file__))
        if not self._guarded and not all(map(_is_utf8, [*sys.path, *sys.orig_argv, os.getcwd()])):
            raise CallsUnavailable(f"viztracer ends a program whose files have {NOT_UTF8}")
        self._folder = folder
        self._files = 0
        self._running = False
        try:
            self.tracer = self._snaptrace.Tracer(entries)
        except (MemoryError, SystemError) as error:  # the latter is how it says so where zeroing fails
            raise CallsUnavailable("there is no memory for them") from error
        # calls made from this folder, and all they call, are ours and leave no event
        self.tracer.lib_file_path = HERE

    def start(self) -> None:
        if not self._running:
            self._running = True
            self.tracer.start()

    def stop(self) -> None:
        if self._running:
            self._running = False
            self.tracer.stop(None)

    def install_in_thread(self) -> None:
        """For threads that ``threading`` does not know: up to 3.11 nothing else profiles them."""
        if sys.version_info < (3, 12) and sys.getprofile() is None:
            sys.setprofile(self.tracer.threadtracefunc)

    def is_replaced(self) -> bool:
        """Whether the program put a profiler of its own in this thread's only place (to 3.11)."""
        return sys.version_info < (3, 12) and sys.getprofile() is not self.tracer

    def save(self) -> None:
        """Stops and writes what is in the buffer; calls still open are written as begun.

        Raises CallsUnavailable where that is not possible.
        """
        if not self._running:
            return
        self.stop()
        if not self._guarded and not _all_names_are_utf8():
            raise CallsUnavailable(f"viztracer cannot save functions with {NOT_UTF8}")
        path = os.path.join(self._folder, f"calls.{os.getpid()}.{self._files}.json")
        self._files += 1
        try:
            _dump(self.tracer, path + ".part")
            os.rename(path + ".part", path)
        except (OSError, ValueError) as error:
            raise CallsUnavailable(f"they could not be saved whole ({error})") from error

    def forget(self) -> None:
        """After a fork: what the parent recorded is the parent's."""
        self._files = 0
        self.tracer.clear()


def _dump(tracer: Any, path: str) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # by its number, because viztracer takes no name that is not UTF-8
        tracer.dump(f"/proc/self/fd/{file}")
        size = os.fstat(file).st_size
        # it does not look at what its writes return
        if os.pread(file, len(END), size - len(END)) != END:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(file)


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _all_names_are_utf8() -> bool:
    """Whether all functions there are have names that viztracer can write; at any other it crashes."""
    codes = [one.__code__ for one in gc.get_objects() if type(one) is types.FunctionType]
    while codes:
        code = codes.pop()
        names = code.co_filename, getattr(code, "co_qualname", code.co_name)
        if not all(map(_is_utf8, names)):
            return False
        codes += [one for one in code.co_consts if type(one) is types.CodeType]
    return True
