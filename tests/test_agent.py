"""What the agent records of real programs, and that the programs do not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from agent_support import NATIVE, PRELUDE, compile_c, environment, needs_gil, record, run_program

from gtrace.evidence.gil import GilKind, check_gil, holds, lock_waits, read_gil


@needs_gil
def test_the_gil_is_found_without_symbols(tmp_path):
    evidence = record(tmp_path, "run_threads(2, burn)")
    assert evidence.level == "exact"
    assert len(evidence.gils) == 1
    assert evidence.damage == ()


def held_share(evidence):
    """The part of the time between the workers' first and last hold in which some thread held the GIL."""
    table = holds(evidence)
    workers = table[table["thread"] != 1]
    begin, end = workers["start_ns"].min(), workers["end_ns"].max()
    held = (table["end_ns"].clip(begin, end) - table["start_ns"].clip(begin, end)).sum()
    return held / (end - begin)


@needs_gil
def test_two_pure_python_threads_hold_the_gil_nearly_all_the_time(tmp_path):
    # Few hand-overs, and another try, because a busy machine wakes the next holder late.
    code = "sys.setswitchinterval(0.3)\nrun_threads(2, lambda: burn(4_000_000))"
    shares = []
    while len(shares) < 4 and max(shares, default=0) < 0.99:
        (tmp_path / str(len(shares))).mkdir()
        shares.append(held_share(record(tmp_path / str(len(shares)), code)))
    assert max(shares) >= 0.99


@needs_gil
def test_a_release_that_another_thread_asked_for_is_forced_and_a_sleep_is_not(tmp_path):
    evidence = record(
        tmp_path,
        """
sys.setswitchinterval(0.001)
run_threads(2, lambda: burn(1_500_000))
print(flush=True)
def nap():
    for _ in range(20):
        time.sleep(0.001)
thread = threading.Thread(target=nap)
thread.start()
thread.join()
""",
    )
    table = holds(evidence)
    burners, napper = table[table["thread"].isin([2, 3])], table[table["thread"] == 4]
    assert burners["forced"].sum() >= 3
    assert len(napper) >= 20
    assert napper["forced"].sum() == 0


@needs_gil
def test_a_wait_for_the_gil_always_ends_in_its_acquisition(tmp_path):
    events = record(tmp_path, "run_threads(4, lambda: burn(300_000))").events
    for _, of_thread in events[events["gil"] >= 0].groupby("thread"):
        kinds = of_thread["kind"].tolist()
        after_wait = {kinds[i + 1] for i in range(len(kinds) - 1) if kinds[i] == GilKind.GIL_WAIT}
        assert after_wait <= {GilKind.GIL_ACQUIRE}


def test_every_lock_handed_to_a_waiter_names_who_handed_it_over(tmp_path):
    evidence = record(
        tmp_path,
        """
lock = threading.Lock()
def work():
    for _ in range(40):
        with lock:
            time.sleep(0.0005)
        burn(50)
run_threads(6, work)
""",
    )
    waits = lock_waits(evidence)
    got = waits[waits["outcome"] == "acquired"]
    assert len(got) > 10
    assert (got["poster"] > 0).all()
    assert (got["poster"] != got["thread"]).all()


def test_a_lock_wait_that_runs_out_of_time_says_so(tmp_path):
    evidence = record(
        tmp_path,
        """
lock = threading.Lock()
lock.acquire()
begin = time.monotonic_ns()
assert not lock.acquire(timeout=0.05)
print(begin, time.monotonic_ns())
""",
    )
    waits = lock_waits(evidence)
    (wait,) = waits[waits["outcome"] == "timed out"].itertuples()
    assert wait.thread == 1
    assert wait.poster == -1
    assert wait.end_ns - wait.start_ns >= 49_000_000


def test_an_uncontended_lock_records_nothing(tmp_path):
    evidence = record(
        tmp_path,
        """
lock = threading.Lock()
for _ in range(1000):
    with lock:
        pass
""",
    )
    assert (evidence.events["kind"] >= GilKind.LOCK_WAIT).sum() == 0


TABLE = """
import re

def agent_pointers():
    "How many words of the interpreter's data point into the agent's code, and how its pages are protected."
    maps = [line.split(None, 5) for line in open('/proc/self/maps')]
    spans = [(*(int(x, 16) for x in m[0].split('-')), m[1], m[5].strip() if len(m) > 5 else '') for m in maps]
    code = [s for s in spans if '_agent' in s[3] and 'x' in s[2]]
    home = next((s[3] for s in spans if 'libpython3' in s[3]), os.path.realpath(sys.executable))
    found = 0
    with open('/proc/self/mem', 'rb') as memory:
        for start, end, mode, name in spans:
            if name == home and 'x' not in mode and 'r' in mode:
                memory.seek(start)
                words = memoryview(memory.read(end - start)).cast('Q')
                found += sum(1 for w in words if any(c[0] <= w < c[1] for c in code))
    return found, [(s[2], s[3]) for s in spans if s[3] == home]
"""


def test_after_stop_the_import_table_is_as_before(tmp_path):
    out = run_program(
        TABLE
        + """
agent.stop()
import ctypes
before = agent_pointers()
os.unlink(path)
agent.start(path, max_bytes=1 << 20)
during = agent_pointers()
agent.stop()
after = agent_pointers()
print(before[0], during[0] >= 4, after[0], before[1] == after[1])
""",
        str(tmp_path / "gil.bin"),
    )
    assert out.split() == ["0", "True", "0", "True"]


def test_start_and_stop_a_thousand_times_while_threads_contend(tmp_path):
    run_program(
        """
agent.stop()
done = False
lock = threading.Lock()
def work():
    while not done:
        with lock:
            burn(200)
        time.sleep(0)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for turn in range(1000):
    os.unlink(path)
    assert agent.start(path, max_bytes=1 << 24)
    assert agent.status()["recording"]
    if turn % 10 == 0:
        burn(5_000)
    agent.stop()
    agent.stop()
done = True
for thread in threads:
    thread.join()
""",
        str(tmp_path / "gil.bin"),
    )
    evidence = read_gil(tmp_path / "gil.bin")
    assert evidence.damage == ()
    assert check_gil(evidence) == []


def test_ten_thousand_short_threads_keep_the_file_small(tmp_path):
    evidence = record(
        tmp_path,
        """
for _ in range(200):
    run_threads(50, lambda: None)
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.01)
""",
    )
    assert (tmp_path / "gil.bin").stat().st_size < 4 << 20
    kinds = evidence.events["kind"]
    assert evidence.events["thread"].max() == (kinds == GilKind.THREAD).sum() == 10_001
    assert (kinds == GilKind.THREAD_EXIT).sum() == 10_000
    assert check_gil(evidence) == []


def test_signal_handlers_that_interrupt_everything_break_nothing(tmp_path):
    evidence = record(
        tmp_path,
        """
count = 0
def tick(number, frame):
    global count
    count += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
lock = threading.Lock()
def work():
    for _ in range(100):
        with lock:
            burn(1000)
            time.sleep(0.0001)
run_threads(4, work)
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    )
    assert evidence.damage == ()
    assert evidence.lost == 0
    assert check_gil(evidence) == []


def test_a_forked_child_leaves_its_parents_file_alone_and_records_its_own(tmp_path):
    run_program(
        """
own = threading.get_native_id()
def in_child():
    run_threads(2, burn)
    burn()
child = os.fork()
if child == 0:
    in_child()
    assert not agent.status()["recording"]
    assert agent.restart_in_child(path + ".child", max_bytes=1 << 24) == level
    in_child()
    agent.stop()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
run_threads(2, burn)
agent.stop()
""",
        str(tmp_path / "gil.bin"),
    )
    parent, child = read_gil(tmp_path / "gil.bin"), read_gil(tmp_path / "gil.bin.child")
    assert parent.pid != child.pid
    assert parent.damage == child.damage == ()
    assert parent.events["thread"].nunique() == child.events["thread"].nunique() == 3
    assert child.pid in set(child.events["tid"])
    assert not set(parent.events["tid"]) & set(child.events["tid"])


def test_a_child_forked_while_threads_contend_starts_cleanly(tmp_path):
    run_program(
        """
import warnings
warnings.simplefilter("ignore")
done = False
def work():
    while not done:
        burn(100)
        time.sleep(0)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for turn in range(30):
    child = os.fork()
    if child == 0:
        agent.restart_in_child(f"{path}.{turn}", max_bytes=1 << 24)
        burn()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
done = True
for thread in threads:
    thread.join()
agent.stop()
""",
        str(tmp_path / "gil.bin"),
    )
    for turn in range(30):
        evidence = read_gil(tmp_path / f"gil.bin.{turn}")
        assert evidence.damage == ()
        assert check_gil(evidence) == []
    assert check_gil(read_gil(tmp_path / "gil.bin")) == []


BUSY = """
lock = threading.Lock()
def work():
    while True:
        with lock:
            burn(300)
        time.sleep(0)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
print("busy", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("moment", range(6))
def test_killed_at_any_moment_the_file_is_readable_up_to_there(tmp_path, moment):
    path = tmp_path / "gil.bin"
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + BUSY, str(path)], env=environment(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"busy\n"
        while path.stat().st_size < (8 + 8 * moment) << 12 or read_gil(path).events["thread"].nunique() < 5:
            pass
        process.send_signal(signal.SIGKILL)
    evidence = read_gil(path)
    assert evidence.damage == ()
    assert evidence.stopped_ns == 0
    assert evidence.events["thread"].nunique() == 5
    assert check_gil(evidence) == []


@pytest.mark.parametrize("ending", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGSEGV)", "sys.exit(3)"])
def test_what_was_recorded_survives_every_ending(tmp_path, ending):
    path = tmp_path / "gil.bin"
    code = f"""
def work():
    while True:
        burn(1000)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
burn(200_000)
{ending}
"""
    run_program(code, str(path), expect=-signal.SIGSEGV if "SEGV" in ending else 3)
    evidence = read_gil(path)
    assert evidence.damage == ()
    assert evidence.stopped_ns == 0
    assert evidence.events["thread"].nunique() == 4
    assert check_gil(evidence) == []


def test_a_full_file_says_since_when_and_the_program_goes_on(tmp_path):
    path = tmp_path / "gil.bin"
    out = run_program(
        """
agent.stop()
os.unlink(path)
agent.start(path, max_bytes=1 << 16)
for _ in range(20_000):
    os.stat("/")
print("went on", agent.status()["lost"] > 10_000)
agent.stop()
""",
        str(path),
    )
    assert out == "went on True\n"
    evidence = read_gil(path)
    assert path.stat().st_size <= 1 << 16
    assert evidence.lost > 10_000
    assert evidence.full_at_ns >= evidence.events["time_ns"].max()
    assert evidence.end_ns == evidence.full_at_ns
    assert evidence.damage == ("GIL evidence ends early: it reached the size it may have.",)


def test_a_limit_on_file_sizes_ends_the_recording_and_not_the_program(tmp_path):
    path = tmp_path / "gil.bin"
    out = run_program(
        """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
for _ in range(100_000):
    os.stat("/")
print("went on", agent.status()["full_at_ns"] > 0)
agent.stop()
""",
        str(path),
    )
    assert out == "went on True\n"
    assert read_gil(path).lost > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_ends_the_recording_and_not_the_program(tmp_path):
    inside = tmp_path / "small"
    inside.mkdir()
    mount = f"mount -t tmpfs -o size=4m none {inside} || exit 77"
    script = f'{mount}; exec {sys.executable} -c "$CODE" {inside}/gil.bin'
    code = """
for _ in range(600_000):
    os.close(os.open("/", os.O_RDONLY))
status = agent.status()
print("went on", status["full_at_ns"] > 0, status["lost"] > 0)
free = os.statvfs(os.path.dirname(path))
print(free.f_bavail > 0)
agent.stop()
import shutil
shutil.copy(path, os.environ["KEEP"])
"""
    keep = tmp_path / "kept.bin"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env=environment(CODE=PRELUDE + code, KEEP=str(keep)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount allowed here")
    assert done.stdout.split() == ["went", "on", "True", "True", "True"], done.stderr
    assert read_gil(keep).damage == ("GIL evidence ends early: the disk is full.",)


def test_a_program_that_closes_all_descriptors_is_recorded_on(tmp_path):
    path = tmp_path / "gil.bin"
    run_program(
        """
os.closerange(3, 1024)
mine = os.open("/dev/null", os.O_RDONLY), os.open(path + ".own", os.O_RDWR | os.O_CREAT)
for _ in range(200_000):
    os.stat("/")
assert os.fstat(mine[1]).st_size == 0
agent.stop()
assert os.fstat(mine[1]).st_size == 0
""",
        str(path),
    )
    evidence = read_gil(path)
    assert evidence.damage == ()
    assert len(evidence.events) > 400_000


def test_a_program_still_gets_the_lowest_descriptors(tmp_path):
    out = run_program(
        """
agent.stop()
os.unlink(path)
before = os.open("/dev/null", os.O_RDONLY)
os.close(before)
agent.start(path, max_bytes=1 << 20)
print(os.open("/dev/null", os.O_RDONLY) == before)
agent.stop()
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (before + 3, before + 3))
os.unlink(path)
agent.start(path, max_bytes=1 << 20)
print(agent.status()["recording"])
agent.stop()
""",
        str(tmp_path / "gil.bin"),
    )
    assert out.split() == ["True", "True"]


@pytest.mark.parametrize("bad", ["no/such/folder/gil.bin", ".", "taken"])
def test_where_nothing_can_be_recorded_it_says_why(tmp_path, bad):
    (tmp_path / "taken").write_text("not ours")
    out = run_program(
        """
agent.stop()
try:
    agent.start(sys.argv[2], max_bytes=1 << 20)
except agent.AgentUnavailable as error:
    state = agent.status()
    print(type(error).__name__, sys.argv[2] in str(error), state["recording"], state["patched_slots"])
""",
        str(tmp_path / "gil.bin"),
        str(tmp_path / bad),
    )
    assert out.split() == ["AgentUnavailable", "True", "False", "0"]
    assert (tmp_path / "taken").read_text() == "not ours"


def test_without_the_extension_it_says_what_to_do(tmp_path):
    code = """
import sys
sys.modules["gtrace.recorder.agent._agent"] = None
from gtrace.recorder import agent
agent.stop()
try:
    agent.start("gil.bin", max_bytes=1 << 20)
except agent.AgentUnavailable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "install a C compiler" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_where_no_gil_is_seen_locks_are_recorded_and_the_level_says_why(tmp_path):
    interposer = compile_c(tmp_path / "no_gil.so", [NATIVE / "no_gil.c"], "-shared", "-fPIC")
    path = tmp_path / "gil.bin"
    out = run_program(
        """
lock = threading.Lock()
lock.acquire()
lock.acquire(timeout=0.001)
agent.stop()
print("libpython3" in open("/proc/self/maps").read())
print(level)
""",
        str(path),
        LD_PRELOAD=str(interposer),
    )
    shared, level = out.splitlines()
    if shared == "False":
        pytest.skip("an executable with the interpreter inside cannot be interposed")
    evidence = read_gil(path)
    assert level == evidence.level
    assert level.startswith("locks only: releasing the GIL signals no condition variable")
    assert evidence.gils == ()
    assert set(lock_waits(evidence)["outcome"]) == {"timed out"}


def test_the_file_is_for_its_owner_only(tmp_path):
    record(tmp_path, "")
    assert (tmp_path / "gil.bin").stat().st_mode & 0o777 == 0o600


def test_a_second_start_while_recording_is_refused(tmp_path):
    out = run_program(
        """
try:
    agent.start(path + ".2", max_bytes=1 << 20)
except agent.AgentUnavailable as error:
    print(error)
agent.stop()
""",
        str(tmp_path / "gil.bin"),
    )
    assert out == "already recording\n"
    assert not Path(f"{tmp_path}/gil.bin.2").exists()


@needs_gil
@pytest.mark.skipif(sys.version_info < (3, 12), reason="subinterpreters share the GIL before 3.12")
def test_subinterpreters_with_a_gil_of_their_own_are_told_apart(tmp_path):
    evidence = record(
        tmp_path,
        """
try:
    import _interpreters
    create, execute = _interpreters.create, _interpreters.exec
except ImportError:
    import _xxsubinterpreters as _interpreters
    create, execute = lambda: _interpreters.create(isolated=True), _interpreters.run_string
code = '''
total = 0
for number in range(300_000):
    total += number
import time
time.sleep(0.01)
'''
ids = [create() for _ in range(3)]
threads = [threading.Thread(target=execute, args=(i, code)) for i in ids]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for i in ids:
    _interpreters.destroy(i)
""",
    )
    assert len(evidence.gils) == 4
    assert set(holds(evidence)["gil"]) == {0, 1, 2, 3}
    assert check_gil(evidence) == []
    assert evidence.damage == ()
