"""What every test run has in common."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck, settings

# tox sets it, a user does not, and the programs that tests start would write names otherwise
os.environ.pop("PYTHONIOENCODING", None)

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
