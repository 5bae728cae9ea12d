"""What every test run has in common."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck, settings
from launching import Ended

from gtrace.cli import main

# what a shell, a CI service or tox may set, and a user may not have: the programs that tests start
# would buffer or write names otherwise, and what is printed would have colours, or be annotations
for name in (
    "COLUMNS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "NO_COLOR",
    "PYTHONIOENCODING",
    "PYTHONUNBUFFERED",
    "TTY_COMPATIBLE",
):
    os.environ.pop(name, None)

# a shell starts its background jobs with Ctrl-C ignored, and what a test starts would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# how long an example takes says more about the machine than about gtrace
settings.register_profile("gtrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gtrace")


def pytest_configure() -> None:
    """Where the browser tests are asked for, a missing browser is an error and not a skip."""
    if os.environ.get("GTRACE_TESTS_BROWSER") and not shutil.which("chromium"):
        raise pytest.UsageError("no chromium on the path, and this run must have one")


@pytest.fixture
def in_tmp_path(tmp_path, monkeypatch):
    """What a test writes without a folder goes to its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gtrace(capfd):
    """``gtrace ARGUMENTS`` in this process, which has imported pandas already."""

    def command(*arguments):
        status = main([*map(str, arguments)])
        return Ended(status, *capfd.readouterr())

    return command
