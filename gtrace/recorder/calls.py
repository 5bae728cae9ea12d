"""Records every call through viztracer, beside whatever profiler the program uses itself."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from viztracer import VizTracer

HERE: Final = os.path.dirname(os.path.abspath(__file__))
VIZTRACER_TOOL: Final = 2
"""The sys.monitoring tool id built into viztracer, which is also that of cProfile."""
FREE_TOOLS: Final = (4, 3)
"""Ids that no tool of the standard library takes."""


class _Nameless:
    name = "thread"


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
    found: dict[str, types.ModuleType | None] = {"threading": _Threading("threading")}
    if "trio" not in sys.modules:
        # it would be imported into a program that never asked for it
        found["trio"] = None
    if sys.version_info >= (3, 12):
        free = [tool for tool in FREE_TOOLS if sys.monitoring.get_tool(tool) is None]
        if free:
            found["sys"] = _sys_with(_Monitoring(free[0]))
    return found


def _load_extension() -> None:
    """Imports ``viztracer.snaptrace`` with the stand-ins in place, and then viztracer as usual."""
    import json  # noqa: F401  the extension imports these two itself, and must find the real ones
    import multiprocessing  # noqa: F401

    package = importlib.util.find_spec("viztracer")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'viztracer'", name="viztracer")
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("viztracer.snaptrace", list(package.submodule_search_locations))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'viztracer.snaptrace'", name="viztracer")
    stand_ins = _stand_ins()
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)  # type: ignore[arg-type]
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, real in before.items():
            if real is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = real
    sys.modules["viztracer.snaptrace"] = module


class CallRecorder:
    """viztracer for one process; what is recorded goes to ``calls.PID.N.json``."""

    def __init__(self, folder: str, entries: int) -> None:
        _load_extension()
        import viztracer

        self.version: str = viztracer.__version__
        self.entries = entries
        self._folder = folder
        self._files = 0
        self.tracer: VizTracer = viztracer.VizTracer(
            tracer_entries=entries, verbose=0, register_global=False
        )
        # calls made from this folder, and all they call, are ours and leave no event
        self.tracer.lib_file_path = HERE

    def start(self) -> None:
        self.tracer.start()

    def install_in_thread(self) -> None:
        """For threads that ``threading`` does not know: up to 3.11 nothing else profiles them."""
        if sys.version_info < (3, 12) and sys.getprofile() is None:
            sys.setprofile(self.tracer.threadtracefunc)

    def is_replaced(self) -> bool:
        """Whether the program put a profiler of its own in this thread's only place (to 3.11)."""
        return sys.version_info < (3, 12) and sys.getprofile() is not self.tracer

    def save(self) -> None:
        """Stops and writes what is in the buffer; calls still open are written as begun."""
        self.tracer.stop()
        path = os.path.join(self._folder, f"calls.{os.getpid()}.{self._files}.json")
        self._files += 1
        os.close(os.open(path + ".part", os.O_WRONLY | os.O_CREAT, 0o600))
        self.tracer.dump(path + ".part")
        os.rename(path + ".part", path)

    def forget(self) -> None:
        """After a fork: what the parent recorded is the parent's."""
        self._files = 0
        self.tracer.clear()
