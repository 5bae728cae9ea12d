"""Where the kernel refuses, or limits, scheduler evidence: what is said, and that the program goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from agent_support import NATIVE, compile_c, environment
from scheduler_support import PRELUDE, START, needs_switches, run

from gtrace.evidence.scheduler import check_scheduler, on_core, read_scheduler
from gtrace.recorder import scheduler
from gtrace.recorder.scheduler.outside import settle, warm_up

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
SOMEONE = "100000 + os.getpid()"
"""A user nobody else is, not in another test either: what a user's processes may lock is counted together."""

TRY = """
try:
    print(scheduler.start(path, max_bytes=1 << 20))
except scheduler.SchedulerUnavailable as reason:
    print(reason)
"""
BECOME_SOMEONE = f"""
import ctypes
scheduler.status()
someone = {SOMEONE}
def become_someone():
    os.setgroups([])
    os.setresgid(someone, someone, someone)
    os.setresuid(someone, someone, someone)
    # as after the start of a program by that user
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
"""
FILTER = """
import ctypes, struct
def on_perf_event_open(action, core=None):
    # with a core: only where it asks for that one
    number = {"x86_64": 298, "aarch64": 241}[os.uname().machine]
    lines = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 32), (0x15, 0, 1, core or 0),
             (0x06, 0, 0, action), (0x06, 0, 0, 0x7FFF0000)]
    if core is None:
        lines[2:4] = []
        lines[1] = (0x15, 0, 1, number)
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, ctypes.byref(Program(len(lines), code)), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
"""
RET_ERRNO = 0x50000
RET_KILL = 0x80000000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scheduler.bin"


@pytest.fixture
def shared_folder():
    """A folder another user may write to, unlike pytest's own."""
    folder = tempfile.mkdtemp(prefix="gtrace-", dir="/tmp")
    os.chmod(folder, 0o777)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs") / "pairs.so"
    return compile_c(out, [NATIVE / "sched_pairs.c"], "-O2", "-shared", "-fPIC")


SWITCH_A_LOT = """
import ctypes
def switch_a_lot(turns):
    core, results = min(os.sched_getaffinity(0)), (ctypes.c_int64 * 12)()
    ctypes.CDLL(sys.argv[2]).play_pairs((ctypes.c_int * 1)(core), 1, ctypes.c_long(turns), results)
"""


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (
            RET_ERRNO + errno.EPERM,
            "perf_event_open is refused here (Operation not permitted): in a container, ",
        ),
        (RET_ERRNO + errno.EACCES, "perf_event_open is refused here (Permission denied): in a container, "),
        (RET_ERRNO + errno.ENOSYS, "this kernel, or sandbox, has no perf_event_open\n"),
        (RET_ERRNO + errno.EINVAL, "the kernel refuses its records: open: Invalid argument\n"),
        (RET_KILL, "the process that records was killed when it began, as by a sandbox "),
    ],
)
def test_a_sandbox_that_refuses_is_named_and_the_program_goes_on(path, action, said):
    code = (
        f"on_perf_event_open({action})\n{TRY}\nprint(os.listdir(os.path.dirname(path)), scheduler.status())"
    )
    reason, rest = run(path, code, prelude=PRELUDE + FILTER).split("\n", 1)
    assert (reason + "\n").startswith(said)
    assert rest.startswith("[] {'recording': False")


def test_the_reason_in_a_container_names_the_flags_that_would_allow_it(path):
    needs_switches()
    reason = run(path, f"on_perf_event_open({RET_ERRNO + errno.EPERM})\n{TRY}", prelude=PRELUDE + FILTER)
    assert "--cap-add PERFMON" in reason
    assert "--security-opt seccomp=" in reason


def test_a_strict_kernel_names_its_sysctl(monkeypatch, tmp_path):
    level = tmp_path / "paranoid"
    level.write_text("4\n")
    monkeypatch.setattr(scheduler, "PARANOID", str(level))
    assert scheduler._reason(OSError(errno.EACCES, "open")) == (
        "kernel.perf_event_paranoid is 4: sysctl -w kernel.perf_event_paranoid=2 as root allows it"
    )


def test_too_few_open_files_are_named(path):
    needs_switches()
    code = f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n{TRY}"
    assert run(path, code, prelude=PRELUDE + "scheduler.status()\n") == (
        "too few open files are allowed for an event on each core: raise ulimit -n\n"
    )


def test_without_the_extension_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "gtrace.recorder.scheduler._scheduler", None)
    monkeypatch.delattr(scheduler, "_scheduler", raising=False)
    scheduler.load.cache_clear()
    try:
        with pytest.raises(scheduler.SchedulerUnavailable, match="install a C compiler and gtrace again"):
            scheduler.start("/nowhere/x", max_bytes=1)
        scheduler.stop()
        warm_up()
    finally:
        scheduler.load.cache_clear()


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    needs_switches()
    gone = tmp_path / "gone" / "scheduler.bin"
    assert run(gone, TRY, prelude=PRELUDE) == f"[Errno 2] No such file or directory: '{gone}'\n"


@pytest.mark.parametrize(
    ("text", "cores"), [(b"0", (0,)), (b"0-3", (0, 1, 2, 3)), (b"0-1,4,6-7\n", (0, 1, 4, 6, 7))]
)
def test_lists_of_cores_are_read_as_the_kernel_writes_them(text, cores):
    assert scheduler._parse_ranges(text) == cores


@pytest.mark.parametrize(
    ("cores", "size"),
    [(1, 2 << 20), (8, 2 << 20), (9, 1 << 20), (64, 256 << 10), (500, 32 << 10), (9999, 32 << 10)],
)
def test_on_many_cores_rings_are_small(cores, size):
    assert scheduler._ring_bytes(cores) == size


@pytest.mark.parametrize(
    "groups",
    [
        ("/", {}, (0, 1, 2, 3)),
        ("/", {"": "0-1"}, (0, 1)),
        ("/a/b", {"a/b": "2", "a": "2-3"}, (2,)),
        ("/a/b", {"a": "2-3"}, (2, 3)),
        ("/../outside", {"": "3"}, (3,)),
        ("/a", {"a": "nonsense"}, (0, 1, 2, 3)),
        ("/a", {"a": "8-9"}, (0, 1, 2, 3)),
    ],
)
def test_only_cores_that_the_process_may_ever_use_are_observed(monkeypatch, tmp_path, groups):
    where, cpusets, cores = groups
    (tmp_path / "online").write_text("0-3\n")
    (tmp_path / "cgroup").write_text(f"0::{where}\n")
    for group, text in cpusets.items():
        folder = tmp_path / "groups" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpuset.cpus.effective").write_text(f"{text}\n")
    monkeypatch.setattr(scheduler, "ONLINE", str(tmp_path / "online"))
    monkeypatch.setattr(scheduler, "CGROUP", str(tmp_path / "cgroup"))
    monkeypatch.setattr(scheduler, "CGROUPS", str(tmp_path / "groups"))
    assert scheduler._usable_cores() == cores


@needs_root
def test_an_unprivileged_user_gets_all_of_it(shared_folder):
    needs_switches_unprivileged()
    path = shared_folder / "scheduler.bin"
    code = """
        run_threads(2, lambda: (time.sleep(0.01), burn(0.05)))
        if os.fork() == 0:
            burn(0.02)
            os._exit(0)
        os.wait()
        print(os.getuid(), open("/proc/self/status").read().split("CapEff:")[1].split()[0])
        scheduler.stop()
    """
    out = run(path, code, prelude=PRELUDE + BECOME_SOMEONE + "become_someone()\n" + START)
    identity, capabilities = out.split()
    assert int(identity) > 100000
    assert capabilities == "0000000000000000"
    evidence = read_scheduler(path)
    assert (evidence.damage, check_scheduler(evidence), len(evidence.forks)) == ((), [], 3)
    workers = on_core(evidence).eval("took = end_ns - start_ns").groupby("tid")["took"].sum()
    assert (workers[evidence.forks["tid"].iloc[:2].tolist()] > 45_000_000).all()


def needs_switches_unprivileged():
    needs_switches()
    with open("/proc/sys/kernel/perf_event_paranoid") as file:
        if int(file.read()) > 2:
            pytest.skip("kernel.perf_event_paranoid is above 2")


@needs_root
def test_a_program_that_gives_up_its_rights_is_recorded_on(shared_folder):
    needs_switches()
    path = shared_folder / "scheduler.bin"
    code = "os.setresuid(65534, 65534, 65534)\nrun_threads(1, lambda: burn(0.05))\nscheduler.stop()"
    run(path, code)
    evidence = read_scheduler(path)
    (worker,) = evidence.forks["tid"]
    table = on_core(evidence)
    assert table[table["tid"] == worker].eval("end_ns - start_ns").sum() > 45_000_000
    assert evidence.damage == ()


@needs_root
def test_a_process_that_may_not_be_observed_says_why(shared_folder):
    needs_switches()
    code = f"scheduler.status()\nsomeone = {SOMEONE}\nos.setresuid(someone, someone, someone)\n{TRY}"
    assert run(shared_folder / "x", code, prelude=PRELUDE) == (
        "this process changed its user, or has capabilities of its own, and may not be observed since\n"
    )


@needs_root
def test_rings_shrink_to_the_memory_a_user_may_lock_and_in_the_end_it_says_so(shared_folder):
    needs_switches_unprivileged()
    code = """
        import resource
        os.umask(0)
        children = []
        for turn in range(60):
            inside, outside = os.pipe()
            child = os.fork()
            if child == 0:
                resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
                become_someone()
                try:
                    scheduler.start(f"{path}.{turn}", max_bytes=1 << 20)
                    os.write(outside, str(scheduler.status()["ring_bytes"]).encode())
                except scheduler.SchedulerUnavailable as reason:
                    os.write(outside, str(reason).encode())
                except BaseException:
                    os._exit(1)
                signal.pause()
            children.append(child)
            os.close(outside)
            answer = os.read(inside, 1000).decode()
            print(answer)
            if not answer.isdigit():
                break
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    """
    *sizes, reason = run(shared_folder / "x", code, prelude=PRELUDE + BECOME_SOMEONE).splitlines()
    assert reason == (
        "this user may not lock memory for the kernel's records: "
        "raise kernel.perf_event_mlock_kb with sysctl, or ulimit -l"
    )
    rings = [int(size) for size in sizes]
    assert rings == sorted(rings, reverse=True)
    assert len(set(rings)) > 1  # the first left something to the others
    assert all(size & (size - 1) == 0 for size in rings)
    for turn in range(len(rings)):
        assert settle(f"{shared_folder}/x.{turn}", timeout_s=10)


@needs_root
def test_a_user_who_may_start_no_process_is_told(shared_folder):
    needs_switches_unprivileged()
    code = f"import resource\nbecome_someone()\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n{TRY}"
    assert run(shared_folder / "x", code, prelude=PRELUDE + BECOME_SOMEONE) == (
        "no process can be started that records (Resource temporarily unavailable)\n"
    )


def test_a_full_file_says_since_when_and_counts_the_rest(path, pairs):
    needs_switches()
    code = """
        scheduler.start(path, max_bytes=100_000)
        switch_a_lot(5_000)
        scheduler.stop()
        print(scheduler.status()["lost"], scheduler.status()["full_at_ns"])
    """
    lost, full_at = map(int, run(path, code, str(pairs), prelude=PRELUDE + SWITCH_A_LOT).split())
    evidence = read_scheduler(path)
    assert 99_000 < path.stat().st_size <= 100_000
    assert (evidence.lost, evidence.full_at_ns) == (lost, full_at)
    assert lost > 1000
    assert evidence.events["time_ns"].max() < evidence.end_ns == full_at
    assert check_scheduler(evidence) == []
    assert evidence.damage == ("Scheduler evidence ends early: it reached the size it may have.",)


def test_a_limit_on_file_sizes_ends_the_recording_and_not_the_program(path, pairs):
    needs_switches()
    code = """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        scheduler.start(path, max_bytes=1 << 28)
        switch_a_lot(5_000)
        scheduler.stop()
        print("went on", scheduler.status()["lost"] > 0)
    """
    assert run(path, code, str(pairs), prelude=PRELUDE + SWITCH_A_LOT) == "went on True\n"
    evidence = read_scheduler(path)
    assert evidence.damage == ("Scheduler evidence ends early: its file could not grow.",)
    assert check_scheduler(evidence) == []


@needs_root
def test_a_full_disk_ends_the_recording_and_not_the_program(tmp_path, pairs):
    needs_switches()
    inside, keep = tmp_path / "small", tmp_path / "kept.bin"
    inside.mkdir()
    mount = f"mount -t tmpfs -o size=2m none {inside} || exit 77"
    code = """
scheduler.start(path, max_bytes=1 << 28)
switch_a_lot(60_000)
scheduler.stop()
free = os.statvfs(os.path.dirname(path))
print("went on", scheduler.status()["lost"] > 0, free.f_bavail > 0)
import shutil
shutil.copy(path, os.environ["KEEP"])
"""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{mount}; exec {sys.executable} -c "$CODE" {inside}/x {pairs}'],
        env=environment(CODE=PRELUDE + SWITCH_A_LOT + code, KEEP=str(keep)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount allowed here")
    assert done.stdout.split() == ["went", "on", "True", "True"], done.stderr
    evidence = read_scheduler(keep)
    assert evidence.damage == ("Scheduler evidence ends early: the disk is full.",)
    assert len(evidence.events) > 10_000


def test_a_core_that_was_not_observed_is_counted(path):
    """As when a core comes online later: here the recorder is told of one core less."""
    needs_switches()
    code = """
        cores = scheduler._usable_cores()
        scheduler.load().start(path, 1 << 20, 1 << 15, cores[:1], (os.getpid(),))
        scheduler.stop()
        print(len(cores))
    """
    cores = int(run(path, code, prelude=PRELUDE))
    evidence = read_scheduler(path)
    assert evidence.cores == 1
    assert bool(evidence.damage) == (cores > 1)
    if cores > 1:
        assert evidence.damage[0].startswith(f"{cores - 1} cores came online")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a second core")
def test_a_core_that_goes_offline_while_recording_begins_is_left_out(path):
    needs_switches()
    last = max(scheduler._usable_cores())
    code = f"on_perf_event_open({RET_ERRNO + errno.ENODEV}, core={last})\n{TRY}scheduler.stop()"
    assert run(path, code, prelude=PRELUDE + FILTER) == "exact\n"
    assert read_scheduler(path).cores == len(scheduler._usable_cores()) - 1
