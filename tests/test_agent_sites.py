"""Call sites as the agent notes them: where threads stood that waited long, on this interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from agent_support import PRELUDE, needs_gil, run_program, run_python

from gtrace.evidence.gil import GilKind, read_gil
from gtrace.evidence.site_format import FRAMES
from gtrace.evidence.sites import Sites, Stack, read_sites

pytestmark = needs_gil

SITES = """
agent.start_sites(path + ".sites", max_bytes=1 << 24, threshold_ns=%d)
"""
ALWAYS = SITES % 1
LONG = SITES % 1_000_000


def program(tmp_path: Path, code: str) -> Path:
    """``code`` as a file: its lines are what call sites tell."""
    script = tmp_path / "program.py"
    script.write_text(PRELUDE + code)
    return script


def noted(tmp_path: Path, code: str, *, expect: int = 0) -> Sites:
    """The sites of a program that starts them itself."""
    path = tmp_path / "gil.bin"
    run_python(program(tmp_path, code), path, expect=expect)
    return read_sites(f"{path}.sites")


def line_with(tmp_path: Path, mark: str) -> int:
    lines = (tmp_path / "program.py").read_text().splitlines()
    (number,) = (n for n, line in enumerate(lines, start=1) if line.endswith(f"# {mark}"))
    return number


def places(stack: Stack, tmp_path: Path) -> list[str]:
    """``function:line`` of the program's own frames, innermost first."""
    own = str(tmp_path / "program.py")
    return [f"{frame.name.rpartition('.')[2]}:{frame.line}" for frame in stack.frames if frame.file == own]


def seen(sites: Sites, tmp_path: Path) -> set[tuple[str, ...]]:
    return {tuple(places(sites.stacks[number], tmp_path)) for number in sites.table["stack"]}


def functions(sites: Sites, tmp_path: Path) -> set[str]:
    """The innermost of each stack."""
    return {stack[0].partition(":")[0] for stack in seen(sites, tmp_path) if stack}


def test_frames_read_in_c_are_those_that_python_tells(tmp_path):
    code = """
from gtrace.recorder.agent import _agent
checked = []

def check():
    own = [(id(code), offset) for code, offset in _agent.own_frames()]
    told, frame = [], sys._getframe()
    while frame and len(told) < len(own):
        told.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back
    assert own[0][0] == told[0][0] and own[1:] == told[1:], (own, told)
    assert frame is None or len(own) == 32
    checked.append(len(own))

def generate():
    yield check()

class Kind(type):
    def __call__(cls):
        check()
        return 1

class Made(metaclass=Kind):
    def __del__(self):
        check()

def recurse(depth):
    return recurse(depth - 1) if depth else check()

async def coroutine():
    check()

import ctypes
ctypes.CFUNCTYPE(None)(check)()
next(generate())
[*map(next, [generate()])]
sorted([1, 2], key=lambda n: check() or n)
Made()
object.__new__(Made)
recurse(50)
try:
    coroutine().send(None)
except StopIteration:
    pass
exec("check()")
thread = threading.Thread(target=check)
thread.start(); thread.join()
print(len(checked), max(checked))
"""
    assert run_program(code, str(tmp_path / "gil.bin")).split() == ["11", str(FRAMES)]


WAITS = """
import ctypes, queue
from concurrent.futures import ThreadPoolExecutor

lock, inbox = threading.Lock(), queue.Queue()

def sleeper():
    time.sleep(0.02)  # sleeps

def holder(held):
    with lock:
        held.set()
        time.sleep(0.03)

def waiter():
    with lock:  # waits for the lock
        pass

def generator():
    yield 1
    time.sleep(0.02)  # sleeps in a generator
    yield 2

def in_c_code(item):
    time.sleep(0.02)  # sleeps below C code
    return item

def called_back():
    time.sleep(0.02)  # sleeps in a callback
    return 0

def pooled():
    time.sleep(0.02)  # sleeps in a pool

def getter():
    inbox.get()  # waits for an item

def main():
    held = threading.Event()
    threads = [threading.Thread(target=sleeper), threading.Thread(target=holder, args=(held,))]
    threads += [threading.Thread(target=waiter), threading.Thread(target=getter)]
    for thread in threads[:2]:
        thread.start()
    held.wait()
    for thread in threads[2:]:
        thread.start()
    list(generator())
    sorted([1], key=in_c_code)
    ctypes.CFUNCTYPE(ctypes.c_int)(called_back)()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pooled).result()
    inbox.put(1)
    for thread in threads:
        thread.join()

main()
"""


def test_every_long_wait_is_noted_where_the_program_waits(tmp_path):
    sites = noted(tmp_path, LONG + WAITS + "agent.stop()\n")

    innermost = {stack[0] for stack in seen(sites, tmp_path) if stack}
    marks = {
        "sleeps": "sleeper",
        "waits for the lock": "waiter",
        "sleeps in a generator": "generator",
        "sleeps below C code": "in_c_code",
        "sleeps in a callback": "called_back",
        "sleeps in a pool": "pooled",
        "waits for an item": "getter",
    }
    expected = {f"{function}:{line_with(tmp_path, mark)}" for mark, function in marks.items()}
    assert expected <= innermost
    assert (sites.lost, sites.damage) == (0, ())


def test_a_site_has_the_time_and_thread_of_its_acquisition(tmp_path):
    sites = noted(tmp_path, ALWAYS + WAITS + "agent.stop()\n")
    events = read_gil(tmp_path / "gil.bin").events

    acquired = events[events["kind"] == GilKind.GIL_ACQUIRE]
    known = set(zip(acquired["time_ns"], acquired["tid"], strict=True))
    table = sites.table[~sites.table["still"]]
    assert len(table) > 50
    assert set(zip(table["time_ns"], table["thread"], strict=True)) <= known


def test_waits_below_the_threshold_are_not_noted(tmp_path):
    never = SITES % (1 << 62)
    sites = noted(tmp_path, never + WAITS + "agent.stop()\n")

    # the first time a thread takes the GIL it has waited since before it was seen
    by_thread = sites.table[~sites.table["still"]].groupby("thread").size()
    assert (by_thread <= 1).all()


def test_a_killed_process_leaves_its_sites(tmp_path):
    code = """
def work():
    time.sleep(0.02)  # before the end
    os.kill(os.getpid(), signal.SIGKILL)

work()
"""
    sites = noted(tmp_path, LONG + code, expect=-9)

    assert (f"work:{line_with(tmp_path, 'before the end')}",) in {s[:1] for s in seen(sites, tmp_path)}
    assert sites.stopped_ns == 0


def test_threads_that_never_came_back_are_noted_at_the_end(tmp_path):
    code = """
lock = _thread.allocate_lock()
lock.acquire()

def stuck():
    ready.set()
    lock.acquire()  # for ever

ready = threading.Event()
threading.Thread(target=stuck, daemon=True).start()
ready.wait()
time.sleep(0.05)
agent.stop()
"""
    sites = noted(tmp_path, LONG + code)

    still = sites.table[sites.table["still"]]
    (stack,) = [places(sites.stacks[number], tmp_path) for number in still["stack"]]
    assert stack == [f"stuck:{line_with(tmp_path, 'for ever')}"]


def test_deep_recursion_gives_the_innermost_frames_and_says_so(tmp_path):
    code = """
def recurse(depth):
    if depth:
        return recurse(depth - 1)
    time.sleep(0.02)

recurse(100)
agent.stop()
"""
    sites = noted(tmp_path, LONG + code)

    deepest = max(sites.stacks, key=lambda stack: len(stack.frames))
    assert len(deepest.frames) == FRAMES
    assert deepest.cut
    assert {frame.name for frame in deepest.frames} == {"recurse"}


def test_a_forked_child_writes_a_file_of_its_own_or_none(tmp_path):
    code = """
def in_child():
    time.sleep(0.02)  # in the child

def in_parent():
    time.sleep(0.02)  # in the parent

in_parent()
pid = os.fork()
if not pid:
    in_child()
    agent.restart_in_child(path + ".child", max_bytes=1 << 20)
    agent.start_sites(path + ".child.sites", max_bytes=1 << 20, threshold_ns=1_000_000)
    in_child()
    agent.stop()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
in_parent()
agent.stop()
"""
    parents = noted(tmp_path, LONG + code)
    childs = read_sites(tmp_path / "gil.bin.child.sites")

    assert "in_child" not in functions(parents, tmp_path)
    assert "in_parent" in functions(parents, tmp_path)
    assert "in_child" in functions(childs, tmp_path)
    assert "in_parent" not in functions(childs, tmp_path)


def test_a_full_file_counts_what_it_leaves_out(tmp_path):
    code = """
agent.start_sites(path + ".sites", max_bytes=8192, threshold_ns=1)
for _ in range(500):
    time.sleep(0)
agent.stop()
"""
    sites = noted(tmp_path, code)

    assert sites.full_at_ns > 0
    assert sites.lost > 300
    assert len(sites.table) > 50
    assert sites.damage == ("Call sites end early: it reached the size it may have.",)


def test_functions_that_were_noted_are_let_go_at_the_end(tmp_path):
    code = """
import gc, types, weakref

def fresh():
    space = {"time": time}
    exec("def short_lived():\\n    time.sleep(0.002)", space)
    space["short_lived"]()
    return weakref.ref(space["short_lived"].__code__)

codes = [fresh() for _ in range(20)]
gc.collect()
kept = sum(code() is not None for code in codes)
agent.stop()
gc.collect()
print(kept, sum(code() is not None for code in codes))
"""
    script = program(tmp_path, LONG + code)
    assert run_python(script, tmp_path / "gil.bin").split() == ["20", "0"]


def test_signal_handlers_and_collections_in_the_middle_leave_the_file_whole(tmp_path):
    code = """
def on_alarm(number, frame):
    time.sleep(0)

signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
def churn():
    for _ in range(300):
        time.sleep(0)
        burn(200)
run_threads(4, churn)
signal.setitimer(signal.ITIMER_REAL, 0)
agent.stop()
"""
    sites = noted(tmp_path, ALWAYS + code)

    assert sites.damage == ()
    assert len(sites.table) > 1000


def test_many_functions_at_once_each_keep_their_name(tmp_path):
    code = """
def make(number):
    space = {"time": time}
    source = f"def f{number}():\\n" + "\\n" * number + "    time.sleep(0)"
    exec(compile(source, f"made{number}", "exec"), space)
    return space[f"f{number}"]

for number in range(3000):
    make(number)()
agent.stop()
"""
    sites = noted(tmp_path, ALWAYS + code)

    found = {s.frames[0] for s in sites.stacks if s.frames[0].file.startswith("made")}
    assert len(found) == 3000
    for frame in found:
        number = int(frame.file.removeprefix("made"))
        assert (frame.name, frame.line) == (f"f{number}", number + 2)


def test_sites_end_with_the_recording_and_begin_anew(tmp_path):
    code = """
def first():
    time.sleep(0.005)

def second():
    time.sleep(0.005)

first()
agent.stop()
first()
agent.start(path + ".again", max_bytes=1 << 20)
agent.start_sites(path + ".again.sites", max_bytes=1 << 20, threshold_ns=1_000_000)
second()
agent.stop()
"""
    before = noted(tmp_path, LONG + code)
    after = read_sites(tmp_path / "gil.bin.again.sites")

    assert "first" in functions(before, tmp_path)
    assert "second" not in functions(before, tmp_path)
    assert "second" in functions(after, tmp_path)
    assert "first" not in functions(after, tmp_path)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="locks are no semaphores from 3.14 on")
def test_where_a_lock_was_made_is_noted_once_for_each_place(tmp_path):
    code = """
def make():
    return threading.Lock()  # made here

def make_condition():
    return threading.Condition()  # made in a condition

locks = [make() for _ in range(100)]
condition = make_condition()
for _ in range(1000):
    make()
with locks[0]:
    waiting = threading.Thread(target=locks[0].acquire)
    waiting.start()
    time.sleep(0.02)
waiting.join()
agent.stop()
"""
    sites = noted(tmp_path, LONG + code)
    waits = read_gil(tmp_path / "gil.bin").events
    made = {
        row.address: places(sites.stacks[row.stack], tmp_path)[0]
        for row in sites.made.itertuples()
        if places(sites.stacks[row.stack], tmp_path)
    }
    here = f"make:{line_with(tmp_path, 'made here')}"

    assert list(made.values()).count(here) >= 100
    assert f"make_condition:{line_with(tmp_path, 'made in a condition')}" in made.values()
    assert here in {made.get(address) for address in waits[waits["kind"] == GilKind.LOCK_WAIT]["address"]}
    # a lock that is made, let go and made again has the same address and place
    assert len(sites.made) < 600


def test_without_gil_evidence_there_are_no_sites(tmp_path):
    code = """
agent.stop()
try:
    agent.start_sites(path + ".sites", max_bytes=1 << 20, threshold_ns=1)
except agent.AgentUnavailable as reason:
    print(reason)
"""
    assert run_program(code, str(tmp_path / "gil.bin")) == "the GIL is not recorded\n"


def test_subinterpreters_leave_the_sites_of_the_main_one_whole(tmp_path):
    code = """
inside = "import time\\nfor _ in range(200): time.sleep(0)"

def run_inside():
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        other = interpreters.create()
        other.exec(inside)
        other.close()
    elif sys.version_info >= (3, 13):
        import _interpreters
        for kind in ("isolated", "legacy"):
            other = _interpreters.create(kind)
            _interpreters.exec(other, inside)
            _interpreters.destroy(other)
    else:
        import _xxsubinterpreters
        other = _xxsubinterpreters.create()
        _xxsubinterpreters.run_string(other, inside)
        _xxsubinterpreters.destroy(other)

def beside():
    for _ in range(100):
        time.sleep(0.0001)  # beside it

thread = threading.Thread(target=beside)
thread.start()
run_inside()
thread.join()
agent.stop()
"""
    sites = noted(tmp_path, ALWAYS + code)

    assert sites.damage == ()
    assert (f"beside:{line_with(tmp_path, 'beside it')}",) in seen(sites, tmp_path)
    assert {frame.file for stack in sites.stacks for frame in stack.frames}.isdisjoint({"<string>"})


def test_faulthandler_sees_the_same_frames(tmp_path):
    code = """
import faulthandler

def outer():
    inner()

def inner():
    time.sleep(0.05)  # here

with open(path + ".dump", "w") as dump:
    threading.Timer(0.02, faulthandler.dump_traceback, (dump,)).start()
    outer()
agent.stop()
"""
    sites = noted(tmp_path, LONG + code)

    main = (tmp_path / "gil.bin.dump").read_text().rpartition("Thread 0x")[2]
    told = [
        f"{line.rsplit(' in ', 1)[1]}:{line.rsplit(', line ', 1)[1].split(' ')[0]}"
        for line in main.splitlines()
        if "program.py" in line
    ]
    assert told[0].startswith("inner:")
    assert tuple(told) in seen(sites, tmp_path)
