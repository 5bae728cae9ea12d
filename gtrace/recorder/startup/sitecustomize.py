"""Starts the recorder in the interpreter that runs the program, before the program's first line.

``gtrace run`` puts this folder first on PYTHONPATH. From here on the interpreter runs the script
itself, so that ``__main__``, arguments, tracebacks and exit status are its own, not ours.
"""

from __future__ import annotations

import os
import sys

LOADED_BEFORE = set(sys.modules)
import importlib.util  # noqa: E402  (what the program would have to import itself is noted first)
import json  # noqa: E402
from importlib.machinery import PathFinder  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def _forget_ourselves(launch: dict[str, Any]) -> None:
    """Makes the environment and the path what they were before gtrace."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != here]
    if launch["pythonpath"] is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = launch["pythonpath"]


def _run_shadowed_sitecustomize() -> None:
    """Runs the sitecustomize that this one hides, if the interpreter has one."""
    ours = sys.modules.pop("sitecustomize")
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        # the import system wants to find something under the name it is importing
        sys.modules["sitecustomize"] = ours
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _import_recorder(root: str, version: str) -> ModuleType:
    """Imports the recorder: this interpreter's own gtrace, else the pure Python part of the launching one.

    Only the interpreter's own has an agent built for it; one of another version would write
    another format.
    """
    if importlib.util.find_spec("gtrace") is not None:
        import gtrace

        if gtrace.__version__ == version:
            from gtrace.recorder import session

            return session
    package = os.path.join(root, "gtrace")
    spec = importlib.util.spec_from_file_location(
        "gtrace", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["gtrace"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["gtrace"])
    from gtrace.recorder import session

    return session


def _hide(ours: set[str]) -> None:
    """Lets the program import for itself what is ours, and what its own folder has under a name we took."""
    folder = _program_folder()
    for name in ours - {"sitecustomize"}:
        package = name.partition(".")[0]
        if package == "gtrace" or (folder is not None and PathFinder.find_spec(package, [folder])):
            del sys.modules[name]


def _program_folder() -> str | None:
    """What the interpreter is about to put first on ``sys.path``; None where that is nothing."""
    if getattr(sys.flags, "safe_path", False) or len(sys.orig_argv) < 2:  # noqa: PLR2004
        return None
    script = sys.orig_argv[1]
    if script in ("-", "-c", "-m"):
        return os.getcwd()
    return script if os.path.isdir(script) else os.path.dirname(os.path.realpath(script))


def _start() -> None:
    text = os.environ.pop("GTRACE_LAUNCH", None)
    if text is None:
        return
    launch = json.loads(text)
    _forget_ourselves(launch)
    ours = sys.modules.keys() - LOADED_BEFORE
    _run_shadowed_sitecustomize()
    theirs = sys.modules.keys() - ours
    _import_recorder(launch["root"], launch["version"]).start(launch)
    _hide(sys.modules.keys() - theirs)


_start()
