"""Which interpreter the lab measures, asked of the interpreter itself."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from gtrace.errors import LaunchError

QUESTION: Final = """
import json, os, platform, sys
print(json.dumps({
    "version": list(sys.version_info[:3]), "implementation": sys.implementation.name,
    "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
    "platform": platform.platform(), "cores": len(os.sched_getaffinity(0)),
}))
"""
PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Interpreter:
    """One interpreter on one machine."""

    executable: str
    release: tuple[int, int, int]
    implementation: str
    free_threaded: bool
    platform: str
    cores: int

    @property
    def version(self) -> tuple[int, int]:
        return self.release[:2]

    @property
    def name(self) -> str:
        """As tox would say it: ``3.13``, or ``3.13t`` without a GIL."""
        return f"{self.release[0]}.{self.release[1]}{'t' if self.free_threaded else ''}"

    @property
    def full_name(self) -> str:
        """With the patch release: ``3.13.1``, or ``3.13.1t``."""
        return "{}.{}.{}{}".format(*self.release, "t" if self.free_threaded else "")


def ask(executable: str) -> Interpreter:
    """The facts of the interpreter ``executable``; raises LaunchError where it cannot run."""
    try:
        answer = subprocess.run(  # noqa: S603  the interpreter the user names
            [executable, "-c", QUESTION], capture_output=True, text=True, check=True, timeout=PATIENCE_S
        )
        facts: dict[str, Any] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise LaunchError(
            f"cannot ask the interpreter: {executable}: name another one with --python"
        ) from error
    major, minor, micro = facts.pop("version")
    return Interpreter(executable, (major, minor, micro), **facts)
