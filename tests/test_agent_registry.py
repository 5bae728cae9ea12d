"""The registry's hooks in C write what those in Python write, and leave to them what is not plain."""

from __future__ import annotations

import functools
import json
import sys
import threading
from typing import NamedTuple

import pytest
from agent_support import run_python
from hypothesis import given
from hypothesis import strategies as st

from gtrace.recorder import agent
from gtrace.recorder.threads import Registry

pytestmark = pytest.mark.skipif(
    agent.plain_threads(Registry(None, lambda: None)) is None, reason="the hooks in C do not work here"
)

THREADING = "def start(hooks, thread):\n    hooks.before_start(thread)\n"
"""Seems to stand where ``Thread.start`` does, whose caller is the one that is told."""
namespace: dict[str, object] = {}
exec(compile(THREADING, threading.__file__, "exec"), namespace)
start = namespace["start"]


class Lines:
    """A journal that keeps its lines apart by the hooks that wrote them."""

    def __init__(self, room=sys.maxsize):
        self.quick: list[str] = []
        self.slow: list[str] = []
        self.room = room

    def write(self, line):
        if len(line) > self.room:
            raise ValueError("data out of range")
        self.quick.append(line.decode("ascii"))

    def append_json(self, text):
        self.slow.append(text + "\n")


class Life(NamedTuple):
    """What the hooks of both kinds wrote of one thread, and which lines were written by those in C."""

    by_c: list[dict[str, object]]
    by_python: list[dict[str, object]]
    quick: list[str]


def without_times(lines):
    return [
        {name: value for name, value in json.loads(line).items() if name not in ("time", "end")}
        for line in lines
    ]


def written(hooks, registry, thread, timeout):
    for _ in range(2):  # a call site is told by Python the first time
        registry.keys.clear()
        registry.journal = Lines(registry.journal.room)
        start(hooks, thread)
    hooks.end(hooks.begin(thread))
    thread._started.set()
    token = hooks.before_join(thread, timeout)
    assert token[:2] == (thread, timeout)
    hooks.after_join(token)
    thread._started.clear()
    lines = registry.journal
    return without_times(lines.quick + lines.slow), lines.quick


def life(thread, timeout=None, room=sys.maxsize):
    thread.is_alive = lambda: False
    with_c, without = Registry(Lines(room), lambda: None), Registry(Lines(), lambda: None)
    by_c, quick = written(agent.plain_threads(with_c), with_c, thread, timeout)
    by_python, _ = written(without, without, thread, timeout)
    by_c.sort(key=lambda line: ["start", "begin", "end", "join"].index(line["event"]))
    return Life(by_c, by_python, [json.loads(line)["event"] for line in quick])


def work():
    """What threads here would do."""


@pytest.fixture(autouse=True)
def _ended(monkeypatch):
    """None of the threads ever runs: a join of one finds it ended."""
    monkeypatch.setattr(threading.Thread, "is_alive", lambda _: False)


def test_a_plain_thread_is_told_by_c_alone():
    found = life(threading.Thread(target=work, name="plain", daemon=True))

    assert found.quick == ["start", "begin", "end", "join"]
    assert found.by_c == found.by_python
    assert [line["event"] for line in found.by_c] == found.quick
    started, begun, ended, joined = found.by_c
    assert started["parent"] == begun["tid"] == joined["tid"] == threading.get_native_id()
    assert started["target"] == "work"
    assert started["created"].startswith(f"written ({__file__}:")
    assert begun["ident"] == threading.get_ident()
    assert (begun["name"], begun["daemon"]) == ("plain", True)
    assert started["key"] == begun["key"] == ended["key"] == joined["key"] == 2
    assert (joined["timeout"], joined["outcome"]) == (None, "ended")


class Derived(threading.Thread):
    @property
    def name(self):
        return "by a property"

    @name.setter
    def name(self, name):
        """Kept by nobody."""


def meddled(**attributes):
    thread = threading.Thread(target=work)
    vars(thread).update(attributes)
    return thread


UNUSUAL = {
    "a class of its own": lambda: Derived(target=work),
    "a timer": lambda: threading.Timer(1, work),
    "no target": threading.Thread,
    "a target in C": lambda: threading.Thread(target=print),
    "a partial": lambda: threading.Thread(target=functools.partial(work)),
    "a method": lambda: threading.Thread(target=Lines().append_json),
    "a quote": lambda: threading.Thread(target=work, name='a "b"'),
    "a backslash": lambda: threading.Thread(target=work, name="a\\b"),
    "a line feed": lambda: threading.Thread(target=work, name="a\nb"),
    "a zero": lambda: threading.Thread(target=work, name="a\0b"),
    "not ASCII": lambda: threading.Thread(target=work, name="é"),
    "a surrogate": lambda: threading.Thread(target=work, name="\udcff"),
    "long": lambda: threading.Thread(target=work, name="x" * 5000),
    "no text": lambda: meddled(_name=7),
    "no flag": lambda: meddled(_daemonic=None),
}


@pytest.mark.parametrize("make", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_not_plain_is_told_by_python(make):
    found = life(make())

    assert found.by_c == found.by_python
    assert len(found.by_c) == 4
    assert len(found.quick) < 4


@given(name=st.text(st.characters(codec="latin-1"), max_size=1200), daemon=st.booleans())
def test_whatever_a_thread_is_called_both_say_the_same(name, daemon):
    found = life(threading.Thread(target=work, name=name, daemon=daemon))

    assert found.by_c == found.by_python


@pytest.mark.parametrize("timeout", [0, 0.5])
def test_a_join_with_a_limit_is_told_by_python(timeout):
    found = life(threading.Thread(target=work), timeout)

    assert found.by_c == found.by_python
    assert "join" not in found.quick


def test_where_there_is_no_room_python_finds_some():
    found = life(threading.Thread(target=work), room=0)

    assert found.quick == []
    assert [line["event"] for line in found.by_c] == ["start", "begin", "end", "join"]
    assert found.by_c[1]["name"] == found.by_python[1]["name"]


def hooked():
    registry = Registry(Lines(), lambda: None)
    return agent.plain_threads(registry), registry.journal


def interrupted(hooks, token):
    try:
        raise KeyboardInterrupt
    finally:
        hooks.after_join(token)


def test_a_join_that_raises_is_told_by_python(monkeypatch):
    monkeypatch.setattr(threading.Thread, "is_alive", lambda _: True)
    hooks, journal = hooked()
    thread = threading.Thread(target=work)
    thread._started.set()
    token = hooks.before_join(thread, None)
    with pytest.raises(KeyboardInterrupt):
        interrupted(hooks, token)

    (line,) = journal.slow
    assert json.loads(line)["outcome"] == "interrupted"
    assert journal.quick == []


def test_a_thread_that_is_started_twice_keeps_its_key():
    hooks, journal = hooked()
    thread = threading.Thread(target=work)
    start(hooks, thread)
    thread._started.set()
    start(hooks, thread)

    assert len(journal.quick + journal.slow) == 1


def test_a_thread_that_nobody_saw_start_has_no_key():
    hooks, journal = hooked()

    assert hooks.begin(threading.Thread(target=work)) == 0
    assert json.loads(journal.quick[0])["key"] == 0


def test_whatever_fails_in_python_reaches_the_caller():
    registry = Registry(None, lambda: None)
    hooks = agent.plain_threads(registry)

    with pytest.raises(AttributeError, match="append_json"):
        hooks.end(1)
    with pytest.raises(TypeError):
        hooks.before_join(1)
    with pytest.raises(AttributeError):
        type(hooks)(object())


FORKS = """
import json, os, threading
from gtrace.recorder import agent
from gtrace.recorder.threads import Registry

class Journal:
    def write(self, line):
        print(os.getpid() == json.loads(line)["tid"], flush=True)

hooks = agent.plain_threads(Registry(Journal(), lambda: None))
hooks.begin(threading.Thread(name='plain'))
if os.fork() == 0:
    hooks.begin(threading.Thread(name='plain'))
    os._exit(0)
os.wait()
"""


def test_a_forked_child_has_a_native_id_of_its_own():
    assert run_python("-c", FORKS).split() == ["True", "True"]
