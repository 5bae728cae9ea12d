"""Where no switches are recorded, the clocks of the threads tell how long each was on a core, in all."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from evidence_text import raw, write_recording
from test_scheduler_refused import FILTER, RET_ERRNO

import gtrace
from gtrace.analysis.summary import summarize

MS = 1_000_000
# w1 holds the GIL for 20 of its 90 ms, waits for it for 10, and is away for 60
RAN = """
    main begin 0
    main GIL_HOLDS 0
    main GIL_RELEASE 10
    main GIL_ACQUIRE 40
    main GIL_RELEASE 50
    w1   begin 10 parent=main
    w1   GIL_ACQUIRE 10
    w1   GIL_RELEASE 20
    w1   GIL_WAIT 40
    w1   GIL_ACQUIRE 50
    w1   GIL_RELEASE 60
    w1   end 100
    stop 100
"""


def recorded(folder, amounts):
    """The recording of ``RAN`` with ``(tid, time, run[, queue])`` in ms, added to its journal."""
    path = write_recording(folder / "r.gtrace", RAN)
    lines = [
        {"event": "amount", "tid": tid, "time": raw(str(time)), "run": run * MS}
        | ({"queue": queue[0] * MS} if queue else {})
        for tid, time, run, *queue in amounts
    ]
    with open(next(path.glob("threads.*.jsonl")), "a", encoding="utf-8") as journal:
        journal.writelines(json.dumps(line) + "\n" for line in lines)
    return gtrace.build_timeline(gtrace.load(path))


def of_thread(timeline, name):
    (thread,) = (thread for thread in summarize(timeline)["threads"] if thread["name"] == name)
    return thread


@pytest.mark.parametrize(
    ("cpu", "bounds"),
    [
        (80, [0.050, 0.060]),  # more than it could spend with the GIL: the rest was without
        (55, [0.025, 0.055]),
        (25, [0.000, 0.025]),  # it may all have been with the GIL
        (0, [0.000, 0.000]),
        (99, [0.060, 0.060]),
    ],
)
def test_a_clock_bounds_the_time_on_a_core_without_the_gil(tmp_path, cpu, bounds):
    thread = of_thread(recorded(tmp_path, [(1001, 100, cpu, 7)]), "w1")
    assert thread["cpu_s"] == cpu / 1000
    assert thread["queue_s"] == 0.007
    assert thread["native_s_bounds"] == pytest.approx(bounds)


def test_the_reader_is_told_who_computed_without_the_gil(tmp_path):
    notes = recorded(tmp_path, [(1001, 100, 80), (1000, 100, 5)]).run.notes
    assert (
        "By their own clocks the threads were on a core for 0.085 s in all; when, nobody recorded." in notes
    )
    assert "Of its time away from the GIL it was on a core, and so native: w1 0.050 s to 0.060 s." in notes


def test_of_several_readings_the_last_one_counts(tmp_path):
    assert of_thread(recorded(tmp_path, [(1001, 50, 10), (1001, 99, 30)]), "w1")["cpu_s"] == 0.03


def test_where_nobody_read_a_clock_nothing_is_said(tmp_path):
    timeline = recorded(tmp_path, [])
    assert not any("clock" in note for note in timeline.run.notes)
    assert (timeline.threads["cpu_ns"] == -1).all()
    thread = of_thread(timeline, "w1")
    assert [thread[key] for key in ("cpu_s", "queue_s", "native_s_bounds")] == [None] * 3


def test_a_reading_of_a_thread_nobody_knows_is_of_no_thread(tmp_path):
    assert (recorded(tmp_path, [(77, 50, 10)]).threads["cpu_ns"] == -1).all()


REFUSED = (
    f"import os, sys\n{FILTER}\non_perf_event_open({RET_ERRNO + 1})\nos.execv(sys.executable, sys.argv[1:])\n"
)
PROGRAM = """
import hashlib, threading, time
def work(name, call, *arguments):
    call(*arguments)
    print(name, time.thread_time_ns())
def count():
    sum(range(300_000))
def derive():
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 50_000)
calls = {"native": (derive,), "count": (count,), "sleep": (time.sleep, 0.05)}
threads = [threading.Thread(target=work, name=name, args=(name, *call)) for name, call in calls.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
threading.Thread(target=time.sleep, args=(60,), name="alive", daemon=True).start()
print("MainThread 0")
"""


def test_a_program_whose_kernel_refuses_tells_the_cpu_time_of_every_thread(tmp_path):
    program, recording = tmp_path / "program.py", tmp_path / "r.gtrace"
    program.write_text(PROGRAM)
    command = ["-m", "gtrace", "run", "--light", "--no-report", "-o", recording, program]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    timeline = gtrace.build_timeline(gtrace.load(recording))
    assert timeline.run.evidence["scheduler"].startswith("none: perf_event_open is refused")
    own = {name: int(cpu) for name, cpu in (line.split() for line in done.stdout.splitlines())}
    threads = timeline.threads.set_index("name")
    assert {"alive", *own} == set(threads.index)
    for name, cpu in own.items():
        assert cpu <= threads["cpu_ns"][name] <= threads["end_ns"][name]
    # who is there at the end also tells how long it waited for a core
    assert (threads["queue_ns"][["MainThread", "alive"]] >= 0).all()


def test_where_switches_are_recorded_no_clock_is_read(tmp_path):
    recording = tmp_path / "r.gtrace"
    command = [sys.executable, "-m", "gtrace", "run", "--light", "--no-report", "-o", recording, "-c", "pass"]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    timeline = gtrace.build_timeline(gtrace.load(recording))
    known = timeline.run.evidence["scheduler"] == "exact"
    assert (timeline.threads["cpu_ns"] == -1).all() == known
