"""The signals that ask a program to end: what is being saved is saved, however often they come."""

from __future__ import annotations

import os
import signal

import pytest
from agent_support import NATIVE, compile_c
from launching import bare, recorded

from gtrace.evidence.threads import read_registry
from gtrace.recorder import exits


def test_a_second_signal_does_not_end_the_program_while_the_first_one_saves(monkeypatch):
    """``timeout`` sends its signal to a command and to its group."""
    happened = []
    monkeypatch.setattr(exits._SavingDeath, "dying", 0)
    monkeypatch.setattr(exits._signal, "signal", lambda *_arguments: happened.append("default"))
    monkeypatch.setattr(exits.os, "kill", lambda _pid, number: happened.append(number))
    first, second = exits._SavingDeath(0), exits._SavingDeath(0)

    def save():
        happened.append("saves")
        second(signal.SIGHUP, None)
        happened.append("saved")

    first.save = second.save = save
    first(signal.SIGTERM, None)
    assert happened == ["saves", "saved", "default", signal.SIGTERM]


def test_a_child_forked_while_its_parent_saves_dies_of_its_own_signal(monkeypatch):
    happened = []
    monkeypatch.setattr(exits._SavingDeath, "dying", os.getppid())
    monkeypatch.setattr(exits._signal, "signal", lambda *_arguments: None)
    monkeypatch.setattr(exits.os, "kill", lambda _pid, number: happened.append(number))
    death = exits._SavingDeath(0)
    death.save = lambda: happened.append("saved")
    death(signal.SIGTERM, None)
    assert happened == ["saved", signal.SIGTERM]


def test_a_signal_that_comes_while_something_else_saves_ends_the_program_after_that(monkeypatch):
    """As that of a pool does which ends its workers, one of which is just leaving by itself."""
    happened = []
    monkeypatch.setattr(exits._SavingDeath, "dying", 0)
    monkeypatch.setattr(exits._signal, "signal", lambda *_arguments: happened.append("default"))
    monkeypatch.setattr(exits.os, "kill", lambda _pid, number: happened.append(number))
    death = exits._SavingDeath(0)
    death.save = lambda: happened.append("saves again")
    with exits.Saving():
        death(signal.SIGTERM, None)
        happened.append("saved")
    with exits.Saving():
        happened.append("later")
    assert happened == ["saved", "default", signal.SIGTERM, "later"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_right_before_a_call_that_blocks_ends_the_program_as_ever(tmp_path, number):
    library = compile_c(tmp_path / "waits.so", [NATIVE / "waits.c"], "-shared", "-fPIC")
    program = tmp_path / "program.py"
    program.write_text(f"import ctypes\nctypes.CDLL({str(library)!r}).raise_and_wait({int(number)})\n")

    assert recorded(tmp_path / "r.gtrace", program) == bare(program)
    (journal,) = (tmp_path / "r.gtrace").glob("threads.*")
    assert read_registry(journal).stop is not None


def test_a_signal_is_handled_by_the_program_as_often_as_it_comes(tmp_path):
    """Also where the recorder's own handler was there before it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal\n"
        "seen = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: seen.append(1))\n"
        "for _ in range(3):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "print(len(seen))\n"
    )

    assert recorded(tmp_path / "r.gtrace", program, calls=False).stdout == "3\n"
