"""Objects come and go while the agent records: none is changed too early, what is gone is forgotten."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from agent_support import NATIVE, compile_c, needs_gil, record, run_program

from gtrace.evidence.gil import GilKind, read_gil

pytestmark = [
    needs_gil,
    pytest.mark.skipif(
        not Path(sysconfig.get_path("include"), "Python.h").exists(), reason="no Python headers here"
    ),
]

MODULE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "plain", .m_size = 0};
PyMODINIT_FUNC PyInit_plain(void) { return PyModuleDef_Init(&module); }
"""
LOAD = """
import _ctypes, _imp, ctypes, importlib.util
folder = os.path.dirname(path)

spec = importlib.util.spec_from_file_location("plain", folder + "/plain.so")

def look_at_what_was_loaded():
    # given a file the interpreter finds what it loaded before, and asks the loader for nothing but its entry
    _imp.create_dynamic(spec, spec.origin)

def call(object, name):
    return ctypes.CFUNCTYPE(ctypes.c_int)(_ctypes.dlsym(object, name))()

def call_with_the_gil(object, name):
    return ctypes.PYFUNCTYPE(ctypes.c_int)(_ctypes.dlsym(object, name))()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the objects are: they are looked at once they are loaded by ``dlopen``."""
    folder = tmp_path_factory.mktemp("objects")
    (folder / "plain.c").write_text(MODULE)
    shared = [f"-isystem{sysconfig.get_path('include')}", "-shared", "-fPIC", "-Wl,-z,lazy"]
    compile_c(folder / "plain.so", [folder / "plain.c"], *shared)
    slow = NATIVE / "slow_to_load.c"
    compile_c(folder / "slow.so", [slow], *shared, "-Wl,-z,nocombreloc")
    compile_c(folder / "other.so", [slow], *shared, "-Wl,-z,nocombreloc", "-DOTHER")
    compile_c(folder / "loads.so", [NATIVE / "loads.c"], "-shared", "-fPIC")
    return folder


def test_an_object_that_another_thread_is_loading_is_left_until_that_is_done(folder):
    code = """
loads = ctypes.CDLL(folder + "/loads.so")
loads.start_loading(os.fsencode(folder + "/slow.so"), 300)
ended = threading.Thread(target=loads.end_loading)
ended.start()
turns = 0
while ended.is_alive():
    look_at_what_was_loaded()
    turns += 1
    burn(turns * 37 % 2000)  # or it would always come when the loader has just ended
object = _ctypes.dlopen(folder + "/slow.so", 1)
look_at_what_was_loaded()
print(call_with_the_gil(object, "wait_a_little"))
agent.stop()
print(call_with_the_gil(object, "wait_a_little"))
"""
    assert run_program(LOAD + code, str(folder / "race.bin")).split() == ["0", "0"]


def test_a_child_is_recorded_that_was_forked_while_a_thread_had_the_loaders_lock(folder):
    """Nobody gives that back in the child, where the thread is not."""
    code = """
ctypes.CDLL(folder + "/loads.so").start_asking()
for number in range(20):
    if os.fork() == 0:
        agent.start(f"{path}.{number}", max_bytes=1 << 20)
        burn()
        agent.stop()
        os._exit(0)
    os.wait()
agent.stop()
"""
    run_program(LOAD + code, str(folder / "children.bin"))
    children = [read_gil(path) for path in folder.glob("children.bin.*")]

    assert len(children) == 20
    assert all(child.damage == () and len(child.events) > 1 for child in children)


def test_what_is_loaded_where_another_object_was_is_put_back_as_it_was(folder):
    code = """
places = []
for name in ("/slow.so", "/other.so"):
    object = _ctypes.dlopen(folder + name, 1)
    look_at_what_was_loaded()
    with open("/proc/self/maps") as file:
        places.append(next(line.split("-")[0] for line in file if name in line))
    if name == "/slow.so":
        _ctypes.dlclose(object)
agent.stop()
print(*places, call_with_the_gil(object, "wait_a_little"))
"""
    first, second, result = run_program(LOAD + code, str(folder / "again.bin")).split()

    assert result == "0"
    if first != second:
        pytest.skip("the loader took another place")


def test_slots_of_what_was_unloaded_are_forgotten(folder):
    code = """
counts = []
for turn in range(40):
    object = _ctypes.dlopen(folder + "/slow.so", 1)
    look_at_what_was_loaded()
    counts.append(agent.status()["patched_slots"])
    _ctypes.dlclose(object)
look_at_what_was_loaded()
print(counts[0], counts[-1], agent.status()["patched_slots"])
"""
    first, last, without = map(int, run_program(LOAD + code, str(folder / "slots.bin")).split())

    assert without < first == last


def test_calls_of_an_object_that_was_loaded_again_and_again_are_recorded(folder, tmp_path):
    (tmp_path / "plain.so").symlink_to(folder / "plain.so")
    (tmp_path / "slow.so").symlink_to(folder / "slow.so")
    code = """
for turn in range(3):
    object = _ctypes.dlopen(folder + "/slow.so", 1)
    look_at_what_was_loaded()
    call_with_the_gil(object, "wait_a_little")
    _ctypes.dlclose(object)
"""
    events = record(tmp_path, LOAD + code).events

    assert (events["kind"] == GilKind.CALL).sum() >= 3
