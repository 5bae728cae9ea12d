"""Context switches of real programs: what is recorded, and that the program does not notice."""

from __future__ import annotations

import io
import json
import os
import signal

import pytest
from agent_support import NATIVE, compile_c
from scheduler_support import (
    CORES,
    PRELUDE,
    START,
    finished,
    kinds_of,
    needs_switches,
    run,
    seconds_on_core,
)  # fmt: skip

from gtrace.evidence.scheduler import SwitchKind, on_core, read_scheduler
from gtrace.recorder import scheduler
from gtrace.recorder.scheduler.outside import settle, warm_up


@pytest.fixture(autouse=True)
def _needs_switches():
    needs_switches()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scheduler.bin"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs") / "pairs.so"
    return compile_c(out, [NATIVE / "sched_pairs.c"], "-O2", "-shared", "-fPIC")


ASIDE = """
def look(tid):
    time.sleep(0.001)  # the kernel adds up when a thread leaves the core
    return time.monotonic_ns(), scheduler.thread_times(tid)[0]

def stretch(work):
    tid = threading.get_native_id()
    began, before = look(tid)
    work()
    ended, after = look(tid)
    print(f"{tid} {began} {ended} {after - before}\\n", end="")
"""


def stolen_s():
    """Seconds in which the machine below this one took the cores away."""
    with open("/proc/stat") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def assert_on_core_time_is_the_kernels(path, code, count):
    stolen = stolen_s()
    lines = run(path, code, prelude=PRELUDE + ASIDE + START).splitlines()
    stolen = stolen_s() - stolen
    evidence = finished(path)
    assert len(lines) == count
    for line in lines:
        tid, began, ended, ran_ns = map(int, line.split())
        found = seconds_on_core(evidence, tid, began, ended)
        # the kernel leaves out what was stolen, and tells how much that was in steps of 10 ms
        ran = ran_ns / 1e9
        assert ran * 0.99 < found < ran * 1.01 + stolen + 0.01


def test_on_core_time_of_computing_threads_is_the_kernels_own_figure(path):
    code = """
        run_threads(2, lambda: stretch(lambda: burn(1)))
        stretch(lambda: burn(0.5))
        scheduler.stop()
    """
    assert_on_core_time_is_the_kernels(path, code, count=3)


def test_on_core_time_of_threads_that_also_wait_is_the_kernels_own_figure(path):
    code = """
        def mixed():
            for _ in range(60):
                burn(0.004)
                time.sleep(0.002)
        lock = threading.Lock()
        def contended():
            for _ in range(60):
                with lock:
                    burn(0.003)
        run_threads(2, lambda: stretch(mixed))
        run_threads(2, lambda: stretch(contended))
        scheduler.stop()
    """
    assert_on_core_time_is_the_kernels(path, code, count=4)


def test_a_sleep_is_one_voluntary_stretch_off_the_core(path):
    out = run(
        path, "t = time.monotonic_ns(); time.sleep(0.2); print(t, time.monotonic_ns()); scheduler.stop()"
    )
    evidence = finished(path)
    began, ended = map(int, out.split())
    main = on_core(evidence)[lambda table: table["tid"] == evidence.pid]
    before = main[main["start_ns"] < began + 100_000_000].iloc[-1]
    after = main[main["start_ns"] > before["end_ns"]].iloc[0]
    assert before["ended"] == "voluntary"
    assert began < before["end_ns"] < after["start_ns"] < ended
    assert after["start_ns"] - before["end_ns"] >= 199_000_000


@pytest.mark.skipif(len(CORES) < 1, reason="needs a core to pin to")
def test_threads_that_share_one_core_preempt_each_other(path):
    code = """
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        sys.setswitchinterval(10)
        import hashlib
        data = bytes(50_000_000)
        run_threads(2, lambda: [hashlib.sha256(data) for _ in range(4)])
        scheduler.stop()
    """
    run(path, code)
    evidence = finished(path)
    workers = evidence.forks["tid"].tolist()
    table = on_core(evidence)
    table = table[table["tid"].isin(workers)]
    assert len(workers) == 2
    assert set(table[table["start_ns"] > table["start_ns"].min() + 10_000_000]["core"]) == {min(CORES)}
    # each is taken off several times while it holds no GIL and wants nothing but the core
    assert (table[table["ended"] == "preempted"].groupby("tid").size() >= 3).sum() == 2


def test_every_switch_of_threads_that_switch_all_the_time_is_recorded(path, pairs):
    """The kernel's own counts of each thread's switches, of either kind, are met to the last one."""
    code = """
        import ctypes
        class Counts(ctypes.Structure):
            _fields_ = [(name, ctypes.c_int64)
                        for name in ("tid", "before", "after", "voluntary", "preempted", "ran")]
        cores = sorted(os.sched_getaffinity(0))[:2]
        results = (Counts * (2 * len(cores)))()
        play = ctypes.CDLL(sys.argv[2]).play_pairs
        players = play((ctypes.c_int * len(cores))(*cores), len(cores), ctypes.c_long(50_000), results)
        scheduler.stop()
        assert players == len(results)
        for r in results:
            print(r.tid, r.before, r.after, r.voluntary, r.preempted)
    """
    lines = run(path, code, str(pairs)).splitlines()
    assert settle(str(path), timeout_s=1)
    evidence = read_scheduler(path)
    missing = 0
    for line in lines:
        tid, before, after, *counted = map(int, line.split())
        mine = evidence.events[evidence.events["tid"] == tid]
        for kind, count in zip((SwitchKind.OUT, SwitchKind.PREEMPT), counted, strict=True):
            times = mine["time_ns"][mine["kind"] == kind]
            assert (times < before).sum() <= count
            missing += max(0, count - (times < after).sum())
        assert sum(counted) > 10_000
    # nothing, unless the machine is so busy that the drain was late: then it is said how much
    assert missing <= evidence.lost
    assert (evidence.lost > 0) == (len(evidence.losses) > 0)


def test_native_threads_that_never_enter_python_are_seen_with_their_names(path):
    code = """
        import ctypes
        libc = ctypes.CDLL(None)
        thread = ctypes.c_ulong()
        usleep = ctypes.cast(libc.usleep, ctypes.c_void_p)
        libc.pthread_create(ctypes.byref(thread), None, usleep, ctypes.c_void_p(100_000))
        libc.pthread_setname_np(thread, b"native pool")
        libc.pthread_join(thread, None)
        wait_until_alone()
        scheduler.stop()
    """
    run(path, code)
    evidence = finished(path)
    (tid,) = evidence.forks["tid"]
    assert evidence.names["name"][evidence.names["tid"] == tid].tolist() == ["native pool"]
    seen = kinds_of(evidence, tid)
    assert (seen[0], seen[-1]) == ("FORK", "EXIT")
    assert {"IN", "OUT"} <= set(seen)


def test_threads_that_were_there_before_recording_are_followed_with_what_they_start(path):
    code = """
        go = threading.Event()
        tids = []
        def early():
            go.wait()
            late = threading.Thread(target=lambda: tids.append(threading.get_native_id()))
            late.start()
            late.join()
            burn(0.05)
        thread = threading.Thread(target=early)
        thread.start()
        scheduler.start(path, max_bytes=1 << 28)
        go.set()
        thread.join()
        wait_until_alone()
        print(thread.native_id, *tids)
        scheduler.stop()
    """
    early, late = map(int, run(path, code, prelude=PRELUDE).split())
    evidence = finished(path)
    assert evidence.names[evidence.names["time_ns"] == evidence.started_ns]["tid"].tolist() == [
        evidence.pid, early,
    ]  # fmt: skip
    assert kinds_of(evidence, early)[-1] == "EXIT"
    assert kinds_of(evidence, late)[:2] == ["FORK", "IN"]
    table = on_core(evidence)
    assert table[table["tid"] == early].eval("end_ns - start_ns").sum() > 40_000_000


def test_the_main_thread_is_followed_first_also_where_numbers_began_anew(monkeypatch):
    monkeypatch.setattr(scheduler.os, "getpid", lambda: 32_000)
    monkeypatch.setattr(scheduler.os, "listdir", lambda _: ["310", "305", "32000", "32001"])

    assert scheduler._threads() == (32_000, 305, 310, 32_001)


def test_the_calling_thread_is_known_from_the_start(path):
    out = run(path, "print(time.monotonic_ns()); scheduler.stop()")
    evidence = finished(path)
    mine = on_core(evidence)[lambda table: table["tid"] == evidence.pid]
    assert mine["start_ns"].min() < int(out)
    assert "IN" in kinds_of(evidence, evidence.pid)[:3]


def test_a_forked_child_is_followed_and_its_stop_is_not_its_parents(path):
    code = """
        child = os.fork()
        if child == 0:
            status = scheduler.status()
            scheduler.stop()
            burn(0.05)
            os._exit(status["followed_by"] == os.getppid() and not status["recording"])
        exited = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        burn(0.05)
        print(child, exited, scheduler.status()["recording"])
        scheduler.stop()
    """
    child, exited, recording = run(path, code).split()
    evidence = finished(path)
    assert (exited, recording) == ("1", "True")
    table = on_core(evidence).eval("took = end_ns - start_ns").groupby("pid")["took"].sum()
    assert table[int(child)] > 45_000_000
    assert table[evidence.pid] > 45_000_000


def test_a_forked_child_may_record_itself(path):
    code = """
        if os.fork() == 0:
            scheduler.start(path + ".child", max_bytes=1 << 28)
            burn(0.05)
            scheduler.stop()
            os._exit(0)
        os.wait()
        scheduler.stop()
    """
    run(path, code)
    parent, child = finished(path), finished(str(path) + ".child")
    assert child.pid in parent.forks["pid"].tolist()
    assert set(child.events["pid"]) == {child.pid}


def test_another_program_that_a_child_becomes_is_told_from_it(path):
    run(path, "import subprocess; subprocess.run(['sleep', '0.01'], check=True); scheduler.stop()")
    evidence = finished(path)
    became = evidence.names[evidence.names["exec"]]
    assert became["name"].tolist() == ["sleep"]
    assert became["pid"].tolist() != [evidence.pid]


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("threading.Thread(target=lambda: os._exit(4)).start(); time.sleep(10)", 4),
        ("os.execv('/bin/sh', ['sh', '-c', 'exit 5'])", 5),
        ("os.killpg(0, signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_nothing_is_lost_however_the_program_ends(path, ending, status):
    code = f"""
        os.setpgid(0, 0)
        thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
        thread.start()
        burn(0.02)
        print(thread.native_id, time.monotonic_ns(), flush=True)
        {ending}
    """
    tid, last = map(int, run(path, code, expect=status).split())
    evidence = finished(path)
    assert kinds_of(evidence, tid)[-1] == "EXIT"
    assert kinds_of(evidence, evidence.pid)[-1] == "EXIT"
    assert evidence.stopped_ns >= evidence.events["time_ns"].max() > last
    assert (on_core(evidence)["ended"] == "open").sum() == 0


def test_what_outlives_the_program_is_followed_until_it_is_settled(path):
    """A daemon keeps its lane; whoever waits for the recording waits for it only so long."""
    code = """
        if os.fork() == 0:
            os.setsid()
            os.close(1)
            os.close(2)
            print_to = os.open(path + ".pid", os.O_CREAT | os.O_WRONLY)
            os.write(print_to, str(os.getpid()).encode())
            os.close(print_to)
            while True:
                burn(0.001)
                time.sleep(0.001)
        while not os.path.exists(path + ".pid") or not os.path.getsize(path + ".pid"):
            time.sleep(0.001)
        os._exit(0)
    """
    run(path, code)
    with open(f"{path}.pid") as file:
        daemon = int(file.read())
    try:
        assert settle(str(path), timeout_s=0.2)
    finally:
        os.kill(daemon, signal.SIGKILL)
    evidence = read_scheduler(path)
    ended = evidence.events["time_ns"][evidence.events["tid"] == evidence.pid].max()
    assert kinds_of(evidence, evidence.pid)[-1] == "EXIT"
    assert kinds_of(evidence, daemon)[-1] != "EXIT"
    assert (evidence.events["time_ns"][evidence.events["pid"] == daemon] > ended).any()
    assert evidence.damage == ()


def test_the_program_sees_neither_a_thread_nor_a_child_nor_a_descriptor_nor_a_mapping(path):
    code = """
        import warnings
        def seen():
            return {
                "threads": len(os.listdir("/proc/self/task")),
                "descriptors": sorted(os.listdir("/proc/self/fd")),
                "rings": open("/proc/self/maps").read().count("perf_event"),
                "signals": [line for line in open("/proc/self/status") if line.startswith("Sig")],
            }
        before = seen()
        scheduler.start(path, max_bytes=1 << 28)
        after = seen()
        try:
            os.wait()
        except ChildProcessError:
            print("no children")
        warnings.simplefilter("error")
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        print(before == after or (before, after))
        scheduler.stop()
        print(seen() == before)
    """
    assert run(path, code, prelude=PRELUDE) == "no children\nTrue\nTrue\n"
    assert len(finished(path).forks) == 1


def test_a_program_that_closes_all_descriptors_is_recorded_on(path):
    code = """
        os.closerange(3, 1000)
        burn(0.05)
        print(time.monotonic_ns())
        scheduler.stop()
    """
    last = int(run(path, code))
    assert finished(path).stopped_ns > last


def test_a_pipe_ends_when_the_program_closes_it(path):
    code = """
        inside, outside = os.pipe()
        scheduler.start(path, max_bytes=1 << 28)
        os.close(outside)
        print(os.read(inside, 1))
        scheduler.stop()
    """
    assert run(path, code, prelude=PRELUDE) == "b''\n"


def test_signals_for_the_programs_group_do_not_reach_the_recorder(path):
    code = """
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
            os.killpg(0, number)
        burn(0.02)
        print(scheduler.status()["recording"])
        scheduler.stop()
    """
    assert run(path, code) == "True\n"
    assert finished(path).stopped_ns > 0


def test_the_recorder_ends_in_order_when_the_system_asks_it_to(path):
    code = """
        import struct
        with open(path, "rb") as file:
            drain = struct.unpack("<24xI", file.read(28))[0]
        os.kill(drain, signal.SIGTERM)
        while scheduler.status()["recording"]:
            time.sleep(0.001)
        burn(0.01)
        scheduler.stop()
        print(drain)
    """
    drain = int(run(path, code))
    assert finished(path).stopped_ns > 0
    assert not os.path.exists(f"/proc/{drain}")


def test_the_recorder_ends_when_its_file_is_deleted(path):
    code = """
        os.unlink(path)
        while scheduler.status()["recording"]:
            time.sleep(0.001)
        scheduler.stop()
        print("ended")
    """
    assert run(path, code) == "ended\n"


def test_when_the_recorder_is_killed_the_program_goes_on_and_the_evidence_says_so(path):
    code = """
        import struct
        with open(path, "rb") as file:
            drain = struct.unpack("<24xI", file.read(28))[0]
        os.kill(drain, signal.SIGKILL)
        while scheduler.status()["recording"]:
            time.sleep(0.001)
        scheduler.stop()
        print(os.path.exists(f"/proc/{drain}"))
    """
    assert run(path, code) == "False\n"
    assert settle(str(path), timeout_s=1)
    assert read_scheduler(path).damage == (
        "The process that wrote the scheduler evidence was killed, or still runs.",
    )


def test_start_and_stop_many_times_leaves_nothing_behind(path):
    code = """
        before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        for turn in range(30):
            scheduler.start(f"{path}.{turn}", max_bytes=1 << 20)
            scheduler.stop()
            maps = maps if turn else open("/proc/self/maps").readlines()
        assert (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))) == before
        print(len(open("/proc/self/maps").readlines()) == len(maps))
    """
    assert run(path, code, prelude=PRELUDE) == "True\n"
    for turn in range(30):
        finished(f"{path}.{turn}")


def test_a_second_start_while_recording_is_refused(path):
    code = """
        try:
            scheduler.start(path + ".again", max_bytes=1 << 20)
        except scheduler.SchedulerUnavailable as reason:
            print(reason)
        scheduler.stop()
    """
    assert run(path, code) == "already recording\n"


def test_a_file_that_exists_is_left_alone(path):
    path.write_text("mine")
    code = """
        try:
            scheduler.start(path, max_bytes=1 << 20)
        except scheduler.SchedulerUnavailable as reason:
            print(reason)
    """
    assert run(path, code, prelude=PRELUDE) == f"[Errno 17] File exists: '{path}'\n"
    assert path.read_text() == "mine"


def test_the_file_is_for_its_owner_only(path):
    run(path, "scheduler.stop()")
    assert path.stat().st_mode & 0o777 == 0o600


def test_threads_started_and_ended_by_the_hundred_are_all_there(path):
    code = """
        for _ in range(20):
            run_threads(25, lambda: None)
        wait_until_alone()
        scheduler.stop()
    """
    run(path, code)
    evidence = finished(path)
    assert len(evidence.forks) == 500
    assert (evidence.events["kind"] == SwitchKind.EXIT).sum() == 500


def test_the_recorder_is_not_woken_by_each_thread_that_ends(path):
    code = """
        import struct
        with open(path, "rb") as file:
            drain = struct.unpack("<24xI", file.read(28))[0]
        def wakes():
            with open(f"/proc/{drain}/status") as file:
                return int(file.read().split("voluntary_ctxt_switches:")[1].split()[0])
        before = wakes()
        for _ in range(500):
            run_threads(1, lambda: None)
        print(wakes() - before)
        scheduler.stop()
    """
    assert int(run(path, code)) < 250
    assert len(finished(path).forks) == 500


def test_warming_up_changes_nothing_and_never_fails(path):
    warm_up()
    run(path, "scheduler.stop()")
    warm_up()
    finished(path)


def test_the_recorder_gives_way_to_subprocesses_and_threads_of_a_forking_server(path):
    """Forks while threads switch: every child has its beginning and its end."""
    code = """
        import warnings
        warnings.simplefilter("ignore")
        stop = threading.Event()
        def spin():
            while not stop.is_set():
                time.sleep(0.0001)
        threads = [threading.Thread(target=spin) for _ in range(4)]
        for thread in threads:
            thread.start()
        children = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(0)
            children.append(child)
            os.waitpid(child, 0)
        stop.set()
        for thread in threads:
            thread.join()
        scheduler.stop()
        import json
        print(json.dumps(children))
    """
    children = json.loads(run(path, code))
    evidence = finished(path)
    for child in children:
        seen = kinds_of(evidence, child)
        assert (seen[0], seen[-1]) == ("FORK", "EXIT")


def test_thread_times_are_nanoseconds_on_a_core_and_waiting_for_one(path):
    code = """
        print(*scheduler.thread_times(threading.get_native_id()))
        burn(0.2)
        print(*scheduler.thread_times(threading.get_native_id()))
        print(scheduler.thread_times(1 << 30))
    """
    first, second, none = run(path, code, prelude=PRELUDE).splitlines()
    ran = int(second.split()[0]) - int(first.split()[0])
    assert 0.19e9 < ran < 0.3e9
    assert int(second.split()[1]) >= int(first.split()[1])
    assert none == "None"


def test_a_thread_asks_for_its_own_times(path):
    code = """
        tid = threading.get_native_id()
        burn(0.05)
        before, own, after = scheduler.thread_times(tid), scheduler.own_times(), scheduler.thread_times(tid)
        print(all(a <= b <= c for a, b, c in zip(before, own, after)))
        run_threads(1, lambda: print(scheduler.own_times()[0] < own[0]))
    """
    assert run(path, code, prelude=PRELUDE) == "True\nTrue\n"


@pytest.mark.parametrize("said", [b"0 0 0\n", b"", b"1 2\n", b"no numbers here\n"])
def test_a_kernel_that_does_not_count_is_not_taken_for_one_that_counted_nothing(monkeypatch, said):
    monkeypatch.setattr(scheduler, "open", lambda *_, **__: io.BytesIO(said), raising=False)
    assert scheduler.thread_times(1) is None
