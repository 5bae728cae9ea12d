"""What threads away from the GIL wait for, told by the function of the C library that they are in."""

from __future__ import annotations

import sysconfig

import pytest
from agent_support import compile_c, needs_gil, record, run_program
from launching import recorded

from gtrace.evidence.gil import read_gil
from gtrace.evidence.gil_calls import Descriptor, Function, blocking_calls
from gtrace.recording import load
from gtrace.timeline.build import build_timeline

pytestmark = needs_gil

WAITS = """
import fcntl, multiprocessing, multiprocessing.synchronize, select, socket, subprocess

def when_main_waits(act):
    in_a_row = 0
    while in_a_row < 10:
        time.sleep(0.002)
        with open(f"/proc/self/task/{os.getpid()}/stat") as stat:
            in_a_row = in_a_row + 1 if stat.read().rpartition(")")[2].split()[0] == "S" else 0
    act()

def later(act):
    threading.Thread(target=when_main_waits, args=(act,), daemon=True).start()

def wait_for_socket():
    ours, theirs = socket.socketpair()
    later(lambda: theirs.send(b"x"))
    ours.recv(1)

def wait_for_client():
    server = socket.create_server(("127.0.0.1", 0))
    later(lambda: socket.create_connection(server.getsockname()).close())
    server.accept()[0].close()

def wait_for_pipe():
    out, into = os.pipe()
    later(lambda: os.write(into, b"x"))
    os.read(out, 1)

def wait_for_file_object():
    out, into = os.pipe()
    later(lambda: os.close(into))
    with open(out, "rb") as file:
        file.read()

def wait_in_select():
    out, into = os.pipe()
    later(lambda: os.write(into, b"x"))
    select.select([out], [], [])

def wait_in_poll():
    poll = select.poll()
    poll.register(os.pipe()[0], select.POLLIN)
    poll.poll(20)

def poll_nothing():
    select.poll().poll(20)

def wait_in_epoll():
    with select.epoll() as epoll:
        epoll.poll(0.02)

def sleep():
    time.sleep(0.02)

def wait_for_child():
    child = os.fork()
    if child == 0:
        time.sleep(0.02)
        os._exit(0)
    os.waitpid(child, 0)

def lock_file(lock):
    with open(path + ".lock", "w") as mine, open(path + ".lock", "w") as theirs:
        lock(theirs, fcntl.LOCK_EX)
        later(lambda: lock(theirs, fcntl.LOCK_UN))
        lock(mine, fcntl.LOCK_EX)

def wait_for_file_lock():
    lock_file(fcntl.flock)

def write_to_full_pipe():
    out, into = os.pipe()
    later(lambda: os.read(out, 1 << 17))
    os.write(into, bytes(1 << 17))

def write_to_full_socket():
    ours, theirs = socket.socketpair()
    def drain():
        while theirs.recv(1 << 16):
            pass
    later(drain)
    ours.sendall(bytes(1 << 20))
    ours.close()

def wait_for_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    later(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    signal.sigwait([signal.SIGUSR1])

def open_a_fifo():
    os.mkfifo(path + ".fifo")
    later(lambda: os.open(path + ".fifo", os.O_WRONLY))
    os.open(path + ".fifo", os.O_RDONLY)

def wait_for_process_lock():
    lock = multiprocessing.get_context("fork").Lock()
    lock.acquire()
    later(lock.release)
    lock.acquire()

begin = time.monotonic_ns()
globals()[sys.argv[2]]()
print(begin, time.monotonic_ns(), flush=True)
agent.stop()
os._exit(0)
"""

WAITED_IN = {
    "wait_for_socket": (Function.RECV, Descriptor.UNKNOWN),
    "wait_for_client": (Function.ACCEPT, Descriptor.UNKNOWN),
    "wait_for_pipe": (Function.READ, Descriptor.PIPE),
    "wait_for_file_object": (Function.READ, Descriptor.PIPE),
    "wait_in_select": (Function.POLL, Descriptor.UNKNOWN),
    "wait_in_poll": (Function.POLL, Descriptor.UNKNOWN),
    "poll_nothing": (Function.SLEEP, Descriptor.UNKNOWN),
    "wait_in_epoll": (Function.POLL, Descriptor.UNKNOWN),
    "sleep": (Function.SLEEP, Descriptor.UNKNOWN),
    "wait_for_child": (Function.CHILD, Descriptor.UNKNOWN),
    "wait_for_file_lock": (Function.FILE_LOCK, Descriptor.UNKNOWN),
    "write_to_full_pipe": (Function.WRITE, Descriptor.PIPE),
    "write_to_full_socket": (Function.SEND, Descriptor.UNKNOWN),
    "wait_for_signal": (Function.SIGNAL, Descriptor.UNKNOWN),
    "open_a_fifo": (Function.OPEN, Descriptor.UNKNOWN),
    "wait_for_process_lock": (Function.SEMAPHORE, Descriptor.UNKNOWN),
}


@pytest.mark.parametrize("wait", WAITED_IN)
def test_a_wait_is_told_by_the_function_the_thread_was_in(tmp_path, wait):
    path = tmp_path / "gil.bin"
    begin, end = map(int, run_program(WAITS, str(path), wait).split())
    evidence = read_gil(path)
    assert evidence.damage == ()
    calls = blocking_calls(evidence)
    calls = calls[(calls["thread"] == 1) & (calls["start_ns"] >= begin) & (calls["end_ns"] <= end)]
    longest = calls.loc[(calls["end_ns"] - calls["start_ns"]).idxmax()]
    assert (Function(longest["function"]), Descriptor(longest["descriptor"])) == WAITED_IN[wait]
    assert longest["end_ns"] - longest["start_ns"] > 10_000_000


TOLD_AT_ONCE = {
    "socket.gethostbyaddr('127.0.0.1')": Function.NAME_LOOKUP,
    "socket.gethostbyname_ex('localhost')": Function.NAME_LOOKUP,
    "socket.getaddrinfo('localhost', 80)": Function.NAME_LOOKUP,
    "os.sync()": Function.SYNC,
    "os.fsync(os.open(path, os.O_RDONLY))": Function.SYNC,
    "os.pread(os.open(path, os.O_RDONLY), 1, 0)": Function.READ,
}


@pytest.mark.parametrize(("call", "function"), TOLD_AT_ONCE.items())
def test_a_function_that_may_block_is_told_also_where_it_hardly_does(tmp_path, call, function):
    code = f"import socket\nwith contextlib.suppress(OSError):\n    {call}"
    calls = blocking_calls(record(tmp_path, "import contextlib\n" + code))

    assert function in [Function(found) for found in calls["function"]]


LIGHT = """
import os, socket, threading, time
ours, theirs = socket.socketpair()
out, into = os.pipe()
def feed():
    time.sleep(0.1)
    theirs.send(b"x")
    time.sleep(0.1)
    os.write(into, b"x")
threading.Thread(target=feed, name="feeder").start()
ours.recv(1)
os.read(out, 1)
time.sleep(0.1)
"""


def test_without_calls_the_timeline_still_tells_sockets_pipes_and_sleeps_apart(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(LIGHT)
    assert recorded(tmp_path / "run.gtrace", program, calls=False).status == 0
    intervals = build_timeline(load(tmp_path / "run.gtrace")).intervals
    main = intervals[intervals["tid"] == intervals["pid"]]
    seconds = (
        (main["end_ns"] - main["start_ns"]).groupby([main["state"], main["reason"]], observed=True).sum()
    )
    waits = {key: value / 1e9 for key, value in seconds.items() if value > 40e6 and key[0] != "running"}
    assert set(waits) >= {("io_wait", "socket recv"), ("io_wait", "pipe"), ("sleep", "sleep")}
    assert sum(value for (state, _), value in waits.items() if state == "blocked") == 0


EVERYWHERE = """
def agent_pointers():
    "How many words of writable or relocated data of any library point into the agent's code."
    maps = [line.split(None, 5) for line in open('/proc/self/maps')]
    spans = [(*(int(x, 16) for x in m[0].split('-')), m[1], m[5].strip() if len(m) > 5 else '') for m in maps]
    code = [s for s in spans if '_agent' in s[3] and 'x' in s[2]]
    found = {}
    with open('/proc/self/mem', 'rb') as memory:
        for start, end, mode, name in spans:
            if name.startswith('/') and '_agent' not in name and 'x' not in mode and 'r' in mode:
                memory.seek(start)
                words = memoryview(memory.read(end - start)[: (end - start) // 8 * 8]).cast('Q')
                count = sum(1 for w in words if any(c[0] <= w < c[1] for c in code))
                if count:
                    found[os.path.basename(name)] = count
    return found, [(s[2], s[3]) for s in spans if '.so' in s[3] or s[3] == os.path.realpath(sys.executable)]

agent.stop()
import ctypes, mmap
"""


def test_every_import_table_is_put_back_also_of_modules_loaded_while_recording(tmp_path):
    out = run_program(
        EVERYWHERE
        + """
import _socket
os.unlink(path)
agent.start(path, max_bytes=1 << 20)
early, _ = agent_pointers()
import _multiprocessing
late, _ = agent_pointers()
agent.stop()
after, pages = agent_pointers()
print(len(early) >= 1, any('_multiprocessing' in name for name in late), after)
os.unlink(path)
agent.start(path, max_bytes=1 << 20)
agent.stop()
again, pages_again = agent_pointers()
print(again, pages == pages_again)
""",
        str(tmp_path / "gil.bin"),
    )
    assert out.splitlines() == ["True True {}", "{} True"]


READER = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <unistd.h>
ssize_t READ(int, void *, size_t);
static PyObject *wait_for(PyObject *module, PyObject *fd) {
    char byte;
    long number = PyLong_AsLong(fd), got;
    Py_BEGIN_ALLOW_THREADS got = READ((int)number, &byte, 1);
    Py_END_ALLOW_THREADS return PyLong_FromLong(got);
}
static PyMethodDef methods[] = {{"wait_for", wait_for, METH_O, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "reader", .m_size = -1,
                                        .m_methods = methods};
PyMODINIT_FUNC PyInit_reader(void) { return PyModule_Create(&definition); }
"""


LIBRARY = """
#include <unistd.h>
ssize_t {calls}(int fd, void *to, size_t size);
ssize_t {name}(int fd, void *to, size_t size);
ssize_t {name}(int fd, void *to, size_t size) {{ return {calls}(fd, to, size); }}
"""


def built_reader(folder, *libraries):
    """A module that blocks in ``read``, or in a library, which may leave that to the next one."""
    flags = ["-shared", "-fPIC"]
    name = "read"
    for number, library in enumerate(libraries):
        source = folder / f"lib{library}.c"
        source.write_text(LIBRARY.format(name=f"{library}_read", calls=name))
        needed = [f"-L{folder}", f"-l{libraries[number - 1]}"] if number else []
        compile_c(folder / f"lib{library}.so", [source], *flags, *needed, "-Wl,-rpath,$ORIGIN")
        name = f"{library}_read"
    source = folder / "reader.c"
    source.write_text(READER)
    include = [f"-isystem{sysconfig.get_path('include')}", "-Wno-unused-parameter", f"-DREAD={name}"]
    needed = [f"-L{folder}", f"-l{libraries[-1]}"] if libraries else []
    compile_c(folder / "reader.so", [source], *include, *flags, *needed, "-Wl,-rpath,$ORIGIN")


@pytest.mark.parametrize("libraries", [(), ("inner",), ("inner", "outer")], ids=str)
def test_an_extension_module_of_the_program_is_seen_that_blocks_in_c(tmp_path, libraries):
    """Also where it does so in a library that it was linked with, or in one which that was linked with."""
    built_reader(tmp_path, *libraries)
    evidence = record(
        tmp_path,
        f"""
sys.path.insert(0, {str(tmp_path)!r})
import reader
out, into = os.pipe()
threading.Timer(0.05, lambda: os.write(into, b"x")).start()
assert reader.wait_for(out) == 1
""",
    )
    calls = blocking_calls(evidence)
    waited = calls[(calls["thread"] == 1) & (calls["end_ns"] - calls["start_ns"] > 20_000_000)]
    assert [Descriptor(kind) for kind in waited["descriptor"]] == [Descriptor.PIPE]


def test_a_library_that_is_unloaded_while_recording_is_left_alone(tmp_path):
    built_reader(tmp_path)
    out = run_program(
        f"""
import ctypes, _ctypes
for turn in range(20):
    library = ctypes.PyDLL({str(tmp_path / "reader.so")!r})
    # the agent looks when the interpreter loads a module
    for name in ("_crypt", "_lsprof", "_statistics", "_uuid", "_zoneinfo"):
        sys.modules.pop(name, None)
        try:
            __import__(name)
        except ImportError:
            pass
    _ctypes.dlclose(library._handle)
    if turn % 5 == 4:
        agent.stop()
        os.unlink(path)
        agent.start(path, max_bytes=1 << 20)
agent.stop()
print("went on")
""",
        str(tmp_path / "gil.bin"),
    )
    assert out == "went on\n"


def test_errors_of_blocking_calls_arrive_as_they_were(tmp_path):
    out = run_program(
        """
import errno, socket
def error_of(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
ours, theirs = socket.socketpair()
ours.setblocking(False)
out, into = os.pipe()
print(
    error_of(lambda: os.read(9999, 1)), error_of(lambda: ours.recv(1)), error_of(lambda: os.write(out, b"x")),
    error_of(lambda: os.waitpid(1, 0)), error_of(lambda: open("/no/such")), error_of(lambda: os.fsync(into)),
)
def fail():
    raise InterruptedError(errno.EINTR, "")
signal.signal(signal.SIGALRM, lambda *_: fail())
signal.setitimer(signal.ITIMER_REAL, 0.02)
print(error_of(lambda: os.read(out, 1)))
agent.stop()
""",
        str(tmp_path / "gil.bin"),
    )
    assert out.split() == ["EBADF", "EAGAIN", "EBADF", "ECHILD", "ENOENT", "EINVAL", "EINTR"]


def test_a_forked_child_records_its_own_calls_and_exec_leaves_the_hooks_behind(tmp_path):
    run_program(
        """
child = os.fork()
if child == 0:
    time.sleep(0.01)
    agent.restart_in_child(path + ".child", max_bytes=1 << 24)
    time.sleep(0.03)
    agent.stop()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
child = os.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(0.01)"])
assert os.waitpid(child, 0)[1] == 0
agent.stop()
""",
        str(tmp_path / "gil.bin"),
    )
    parent, child = (blocking_calls(read_gil(tmp_path / name)) for name in ("gil.bin", "gil.bin.child"))
    assert (parent["function"] == Function.CHILD).sum() == 2
    assert Function.SLEEP not in set(parent["function"])
    assert (child["function"] == Function.SLEEP).sum() == 1


def test_signals_that_write_to_a_wakeup_descriptor_break_nothing(tmp_path):
    evidence = record(
        tmp_path,
        """
out, into = os.pipe()
os.set_blocking(into, False)
signal.set_wakeup_fd(into, warn_on_full_buffer=False)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
def work():
    for _ in range(300):
        time.sleep(0.0002)
        os.read(zero, 1)
zero = os.open("/dev/zero", os.O_RDONLY)
run_threads(4, work)
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    )
    assert evidence.lost == 0
    calls = blocking_calls(evidence)
    assert (calls["function"] == Function.SLEEP).sum() >= 1200
    assert (calls["end_ns"] >= calls["start_ns"]).all()


def test_a_thread_killed_in_a_call_was_in_it_to_the_end(tmp_path):
    path = tmp_path / "gil.bin"
    run_program(
        """
import socket
ours, theirs = socket.socketpair()
threading.Thread(target=ours.recv, args=(1,), daemon=True).start()
time.sleep(0.05)
os.kill(os.getpid(), signal.SIGKILL)
""",
        str(path),
        expect=-9,
    )
    calls = blocking_calls(read_gil(path))
    (last,) = calls[calls["thread"] == 2]["function"].tail(1)
    assert last == Function.RECV
