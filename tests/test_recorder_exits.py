"""The signals that ask a program to end: what is being saved is saved, however often they come."""

from __future__ import annotations

import os
import signal

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
