"""What surrounds a process may be small, or change under it: the program is unharmed, and recorded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from agent_support import PRELUDE, environment, run_program

from gtrace.evidence.gil import GilKind, read_gil
from gtrace.evidence.sites import read_sites

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")


def test_of_a_small_address_space_the_program_keeps_nearly_all(tmp_path):
    code = """
import resource
agent.stop()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20), resource.RLIM_INFINITY))
os.unlink(path)
agent.start(path, max_bytes=2 << 30)
kept = bytearray(400 << 20)
run_threads(2, burn)
agent.stop()
"""
    run_program(code, str(tmp_path / "gil.bin"))
    evidence = read_gil(tmp_path / "gil.bin")

    assert (evidence.damage, evidence.full_at_ns) == ((), 0)
    assert evidence.events["thread"].nunique() == 3


@needs_root
def test_a_child_that_has_its_parents_process_number_leaves_its_parents_recording_alone(tmp_path):
    """Both are number 1, each in a namespace of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("no way to make a namespace here")
    code = """
import ctypes
assert ctypes.CDLL(None).unshare(0x20000000) == 0  # CLONE_NEWPID: for what is forked from now on
if os.fork() == 0:
    recording = agent.status()["recording"]
    agent.stop()
    agent.start(path + ".child", max_bytes=1 << 20)
    burn()
    agent.stop()
    print(os.getpid(), recording, flush=True)
    os._exit(0)
os.wait()
for _ in range(1000):
    os.stat("/")
agent.stop()
"""
    path = tmp_path / "gil.bin"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", PRELUDE + code, path],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)

    assert (done.returncode, done.stdout.split()) == (0, ["1", "False"]), done.stderr
    parent, child = read_gil(path), read_gil(tmp_path / "gil.bin.child")
    assert (parent.damage, child.damage) == ((), ())
    assert (parent.events["kind"] == GilKind.GIL_RELEASE).sum() > 1000
    assert child.events["thread"].nunique() == 1


@needs_root
def test_who_becomes_another_user_is_recorded_on(tmp_path):
    code = """
agent.start_sites(path + ".sites", max_bytes=1 << 24, threshold_ns=1)
os.setresuid(65534, 65534, 65534)

def let_go():
    for _ in range(4000):
        os.stat("/")

run_threads(2, let_go)
agent.stop()
"""
    run_program(code, str(tmp_path / "gil.bin"))
    gil, sites = read_gil(tmp_path / "gil.bin"), read_sites(tmp_path / "gil.bin.sites")

    assert (gil.damage, gil.full_at_ns, gil.lost) == ((), 0, 0)
    assert (sites.damage, sites.full_at_ns, sites.lost) == ((), 0, 0)
    assert len(sites.table) > 8000
