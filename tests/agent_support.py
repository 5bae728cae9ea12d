"""Runs small programs under the agent, and builds the C that the tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import gtrace
from gtrace.evidence.gil import GilEvents, read_gil

REPOSITORY = Path(__file__).resolve().parent.parent
NATIVE = REPOSITORY / "tests" / "native"
AGENT = REPOSITORY / "gtrace" / "recorder" / "agent"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread"]

PRELUDE = """
import _thread, os, signal, sys, threading, time
from gtrace.recorder import agent
path = sys.argv[1]

def burn(turns=20_000):
    total = 0
    for number in range(turns):
        total += number
    return total

def run_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

level = agent.start(path, max_bytes=1 << 28)
"""

needs_gil = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="a free-threaded interpreter has no GIL to see"
)


def environment(**extra: str) -> dict[str, str]:
    """For a process that finds the same gtrace as this one."""
    here = str(Path(gtrace.__file__).resolve().parent.parent)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}:{known}" if known else here, **extra}


def run_program(code: str, *args: str, expect: int = 0, **extra: str) -> str:
    """What ``code`` prints; the prelude has started the agent on the file ``args[0]``."""
    return run_python("-c", PRELUDE + code, *args, expect=expect, **extra)


def run_python(*args: str | Path, expect: int = 0, **extra: str) -> str:
    """What Python prints when it is given ``args``; ``extra`` is added to its environment."""
    done = subprocess.run(
        [sys.executable, *args],
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout


def record(tmp_path: Path, code: str) -> GilEvents:
    """The evidence of a program that stops the agent at its end."""
    path = tmp_path / "gil.bin"
    run_program(code + "\nagent.stop()\n", str(path))
    return read_gil(path)


def compiler() -> str:
    found = shutil.which("cc") or shutil.which("gcc")
    if not found:
        pytest.skip("no C compiler here")
    return found


def compile_c(out: Path, sources: list[Path], *flags: str) -> Path:
    command = [compiler(), *STRICT, f"-I{AGENT}", *map(str, sources), "-o", str(out), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return out
