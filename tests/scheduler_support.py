"""Runs small programs under the recorder of context switches."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from functools import cache

import pytest
from agent_support import environment, run_python

from gtrace.evidence.scheduler import SchedulerEvents, SwitchKind, check_scheduler, on_core, read_scheduler
from gtrace.recorder.scheduler.outside import settle

PRELUDE = """
import os, signal, sys, threading, time
from gtrace.recorder import scheduler
path = sys.argv[1]

def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))

def run_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def wait_until_alone():
    # threads that Python has joined may still have a few instructions to go
    while len(os.listdir("/proc/self/task")) > 1:
        time.sleep(0.001)
"""
START = "\nscheduler.start(path, max_bytes=1 << 28)\n"


@cache
def why_not() -> str:
    """Why no switches can be recorded here; empty where they can."""
    code = (
        "import tempfile\nfrom gtrace.recorder import scheduler\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    try:\n        scheduler.start(folder + '/x', max_bytes=1 << 20)\n"
        "    except scheduler.SchedulerUnavailable as reason:\n        print(reason)\n    scheduler.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).strip()


def needs_switches() -> None:
    if why_not():
        pytest.skip(why_not())


def run(path, code, *args, expect=0, prelude=PRELUDE + START):
    """What ``code`` prints; the prelude has begun to record into ``path``."""
    return run_python("-c", prelude + textwrap.dedent(code), path, *args, expect=expect)


def finished(path) -> SchedulerEvents:
    """The evidence in ``path`` once it is complete; contradicts itself nowhere, and nothing is missing."""
    assert settle(str(path), timeout_s=20)
    evidence = read_scheduler(path)
    assert check_scheduler(evidence) == []
    assert (evidence.damage, evidence.lost) == ((), 0)
    return evidence


def kinds_of(evidence, tid):
    events = evidence.events
    return [SwitchKind(kind).name for kind in events["kind"][events["tid"] == tid]]


def seconds_on_core(evidence, tid, begin_ns, end_ns):
    table = on_core(evidence)
    mine = table[table["tid"] == tid]
    return int((mine["end_ns"].clip(begin_ns, end_ns) - mine["start_ns"].clip(begin_ns, end_ns)).sum()) / 1e9


CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
