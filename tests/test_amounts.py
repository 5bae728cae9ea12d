"""Where no switches are recorded, the clocks of the threads tell how long each was on a core, in all."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from evidence_files import raw
from evidence_text import write_recording
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


@pytest.mark.parametrize(
    ("reading", "state"),
    [
        ((90, 0), "native"),  # also if it was on a core all the while it wanted the GIL
        ((60, 50), "native"),  # what it did not compute it waited for a core
        ((80,), "unknown"),
        ((80, 0), "unknown"),
        ((60, 20), "unknown"),
        ((20, 60), "blocked"),
        ((5, 0), "blocked"),
    ],
)
def test_a_clock_decides_what_no_call_tells_or_leaves_it_open(tmp_path, reading, state):
    thread = of_thread(recorded(tmp_path, [(1001, 100, *reading)]), "w1")
    spent = {name: seconds for name, seconds in thread["states_s"].items() if seconds}
    assert spent == pytest.approx({"running": 0.020, "gil_wait": 0.010, state: 0.060})


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
import _thread, concurrent.futures, hashlib, os, sys, threading, time
def work(name, call, *arguments):
    call(*arguments)
    print(name, time.thread_time_ns())
def count():
    sum(range(300_000))
def derive():
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 50_000)
def raw(over):
    work("raw", count)
    over.release()
calls = {"native": (derive,), "count": (count,), "sleep": (time.sleep, 0.05)}
threads = [threading.Thread(target=work, name=name, args=(name, *call)) for name, call in calls.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
    pool.submit(work, "pool_0", count)
over = threading.Semaphore(0)
_thread.start_new_thread(raw, (over,))
over.acquire()
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.001)
threading.Thread(target=time.sleep, args=(60,), name="alive", daemon=True).start()
print("MainThread 0", flush=True)
"""


def record_refused(folder, ending="", expect=0):
    """The timeline of ``PROGRAM`` where the kernel refuses, and the CPU time its threads told, by name."""
    program, recording = folder / "program.py", folder / "r.gtrace"
    program.write_text(PROGRAM + ending)
    command = ["-m", "gtrace", "run", "--light", "--no-report", "-o", recording, program]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == expect, done.stderr
    timeline = gtrace.build_timeline(gtrace.load(recording))
    return timeline, {name: int(cpu) for name, cpu in (line.split() for line in done.stdout.splitlines())}


def assert_clocks_were_read(timeline, own):
    threads = timeline.threads.set_index("name")
    for name, cpu in own.items():
        # who is alive at the end is asked after it
        most = timeline.run.duration if threads["ended"][name] else float("inf")
        assert cpu <= threads["cpu_ns"][name] <= most
        if os.path.exists("/proc/self/schedstat"):
            assert 0 <= threads["queue_ns"][name] <= most


def test_a_program_whose_kernel_refuses_tells_the_times_of_every_thread(tmp_path):
    timeline, own = record_refused(tmp_path)
    assert timeline.run.evidence["scheduler"].startswith(
        "derived: by each thread's own clock, how long it was on a core but not when: "
        "perf_event_open is refused"
    )
    assert set(own) == {"native", "count", "sleep", "pool_0", "raw", "MainThread"}
    assert set(timeline.threads["name"]) == {"alive", *own}
    assert_clocks_were_read(timeline, {"alive": 0, **own})


def test_a_killed_program_has_told_the_times_of_threads_that_had_ended(tmp_path):
    timeline, own = record_refused(tmp_path, "os.kill(os.getpid(), 9)", expect=128 + 9)
    del own["MainThread"]
    assert_clocks_were_read(timeline, own)
    alive = timeline.threads[~timeline.threads["name"].isin([*own])]
    assert set(alive["name"]) <= {"MainThread", "alive"}
    assert (alive[["cpu_ns", "queue_ns"]] == -1).all(axis=None)


def test_where_switches_are_recorded_no_clock_is_read(tmp_path):
    recording = tmp_path / "r.gtrace"
    command = [sys.executable, "-m", "gtrace", "run", "--light", "--no-report", "-o", recording, "-c", "pass"]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    timeline = gtrace.build_timeline(gtrace.load(recording))
    known = timeline.run.evidence["scheduler"] == "exact"
    assert (timeline.threads["cpu_ns"] == -1).all() == known
