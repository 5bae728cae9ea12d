"""Threads whose states are known beforehand, each of which measures itself by the kernel's own counters.

``python accuracy.py SCENARIO`` prints a line of JSON a thread: its name, its native id, what it read
when it began and when it ended, and the calls it timed: begin, end (ns of CLOCK_MONOTONIC), CPU time.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import resource
import subprocess
import sys
import threading
import time

LINES = []


# with the GIL kept: who lets it go may come back much later, and reads counters of different moments
PREAD = ctypes.PyDLL(None).pread


def switches():
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return {"voluntary": usage.ru_nvcsw, "involuntary": usage.ru_nivcsw}


def counters():
    """What the kernel has counted for this thread so far, all read between two switches."""
    text = ctypes.create_string_buffer(80)
    schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    found, before = {}, {}
    while not found or before != switches():
        before = switches()
        PREAD(schedstat, text, 79, 0)
        # its first number, time on a core, lags behind for a thread that runs; the thread's clock does not
        found = {"queue_ns": int(text.value.split()[1]), "cpu_ns": time.thread_time_ns()}
        found |= {"time_ns": time.monotonic_ns(), **before}
    os.close(schedstat)
    return found


def witness(work, *arguments):
    """A thread's target: does the work between two readings, and keeps what it says was timed."""

    def target():
        begin = counters()
        spans = list(work(*arguments))
        end = counters()
        me = threading.current_thread()
        line = {"thread": me.name, "tid": me.native_id, "begin": begin, "end": end, "spans": spans}
        LINES.append(line)

    return target


def timed(call, *arguments):
    began, cpu = time.monotonic_ns(), time.thread_time_ns()
    call(*arguments)
    cpu = time.thread_time_ns() - cpu
    return began, time.monotonic_ns(), cpu


def run(**targets):
    threads = [threading.Thread(target=target, name=name) for name, target in targets.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def burn(cpu_s):
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        sum(range(1000))
    return ()


def pinned(core, work):
    def target():
        # before it is measured: who moves to another core waits for the kernel to do it
        os.sched_setaffinity(0, {core})
        work()

    return target


def preempted():
    """A thread that computes shares its core with another process, which does so, too."""
    core = min(os.sched_getaffinity(0))
    rival = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        os.sched_setaffinity(rival.pid, {core})
        run(pinned=pinned(core, witness(burn, 0.15)))
    finally:
        rival.kill()
        rival.wait()


def stall(times, seconds):
    usleep = ctypes.PyDLL(None).usleep
    for _ in range(times):
        yield timed(usleep, int(seconds * 1e6))


def stalled():
    """A thread blocks with the GIL in its hands, while another one computes, or wants to."""
    run(stalls=witness(stall, 3, 0.05), counts=witness(burn, 0.03))


def derive(times, rounds):
    for _ in range(times):
        yield timed(hashlib.pbkdf2_hmac, "sha256", b"a", b"b", rounds)


def native():
    """Two threads compute in C, with the GIL let go."""
    run(first=witness(derive, 3, 80_000), second=witness(derive, 3, 80_000))


def nap(times, seconds):
    for _ in range(times):
        yield timed(time.sleep, seconds)


def sleeping():
    """Two threads sleep while a third one computes: whoever wakes up must wait for the GIL."""
    run(nap0=witness(nap, 8, 0.02), nap1=witness(nap, 8, 0.02), counts=witness(burn, 0.1))


def serve(source, sink, times):
    for _ in range(times):
        yield timed(os.read, source, 1)
        sum(range(5_000))  # long beside what the kernel takes to switch
        os.write(sink, b"x")


def pipes():
    """Two threads pass a byte to and fro, each asleep until it comes, and compute before they pass it on."""
    (here, there), (back, forth) = os.pipe(), os.pipe()
    os.write(there, b"x")
    run(ping=witness(serve, here, forth, 200), pong=witness(serve, back, there, 200))


def link(mine, following, times, seconds):
    for _ in range(times):
        yield timed(mine.acquire)
        time.sleep(seconds)
        following.release()


def semaphores():
    """Of three threads in a ring one sleeps at a time, the others wait until it is their turn."""
    ring = [threading.Semaphore(0) for _ in range(3)]
    ring[0].release()
    links = {f"link{i}": witness(link, ring[i], ring[(i + 1) % 3], 6, 0.01) for i in range(3)}
    run(**links)


def stolen_ns():
    """How long the host of a virtual machine gave the machine's cores to others."""
    with open("/proc/stat", "rb") as file:
        return int(file.readline().split()[8]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


SCENARIOS = {work.__name__: work for work in (preempted, stalled, native, sleeping, pipes, semaphores)}

if __name__ == "__main__":
    before = stolen_ns()
    SCENARIOS[sys.argv[1]]()
    print(json.dumps({"stolen_ns": stolen_ns() - before}))
    print("\n".join(map(json.dumps, LINES)))
