"""Random threads under the agent: no crash, no hang, no invariant broken.

    python benchmarks/agent_fuzz.py --seconds 600 [--seed N]

Each round runs a program of its own seed: threads that compute, sleep, lock, time out, wait for events,
start further threads, fork, exit and raise, under random switch intervals and signals, while recording
is stopped and started again. Afterwards every file it left is read and checked. The seed of a round
that fails is printed; ``--seed`` runs that round alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from gtrace.recorder import agent

EXITS = ("return", "return", "exit", "_exit", "raise", "kill", "daemons")
STATUS = {"return": 0, "exit": 3, "_exit": 4, "raise": 1, "kill": -signal.SIGKILL, "daemons": 0}


class Program:
    """One random program, run inside the traced process."""

    def __init__(self, seed: int, folder: str) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.files = 0
        self.locks = [threading.Lock() for _ in range(3)]
        self.rlock = threading.RLock()
        self.event = threading.Event()
        self.until = time.monotonic() + self.random.uniform(0.1, 1.0)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def start_agent(self) -> None:
        self.files += 1
        path = f"{self.folder}/gil.{os.getpid()}.{self.files}.bin"
        agent.start(path, max_bytes=self.random.choice([1 << 16, 1 << 28]))
        agent.start_sites(
            path.replace("/gil.", "/sites."),
            max_bytes=self.random.choice([1 << 16, 1 << 26]),
            threshold_ns=self.random.choice([1, 100_000, 1_000_000]),
        )

    def compute(self) -> None:
        total = 0
        for number in range(self.random.randrange(30_000)):
            total += number

    def sleep(self) -> None:
        time.sleep(self.random.choice([0, 0.0001, 0.003]))

    def lock(self) -> None:
        with self.random.choice(self.locks):
            self.random.choice([self.compute, self.sleep])()

    def time_out(self) -> None:
        lock = self.random.choice(self.locks)
        if lock.acquire(timeout=self.random.choice([0.0001, 0.002])):
            lock.release()

    def recurse(self) -> None:
        with self.rlock, self.rlock:
            self.sleep()

    def signal_event(self) -> None:
        self.event.set()
        self.event.clear()

    def wait_event(self) -> None:
        self.event.wait(0.002)

    def touch_files(self) -> None:
        for _ in range(50):
            os.stat("/")

    def talk(self) -> None:
        """Waits of all kinds in functions of the C library."""
        ours, theirs = socket.socketpair()
        out, into = os.pipe()
        with ours, theirs, open(out, "rb", 0) as reader, open(into, "wb", 0) as writer:
            for _ in range(self.random.randrange(10)):
                theirs.send(b"x")
                writer.write(b"x")
                select.select([ours, reader], [], [])
                ours.recv(1)
                reader.read(1)
            select.select([ours, reader], [], [], self.random.choice([0, 0.001]))

    def load_module(self) -> None:
        """Import tables change while recording starts and stops."""
        name = self.random.choice(
            ["_crypt", "_lsprof", "_statistics", "_uuid", "_zoneinfo", "_multiprocessing"]
        )
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    def start_threads(self) -> None:
        threads = [threading.Thread(target=self.compute) for _ in range(self.random.randrange(8))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def fail(self) -> None:
        try:
            {}["missing"]
        except KeyError:
            return

    def fork(self) -> None:
        if not self.chance(10):
            return
        child = os.fork()
        if child == 0:
            self.in_child()
        os.waitpid(child, 0)

    def in_child(self) -> None:
        if self.chance(70):
            self.start_agent()
        self.compute()
        self.touch_files()
        os._exit(0)

    def work(self) -> None:
        steps = [
            self.compute, self.sleep, self.lock, self.time_out, self.recurse, self.signal_event,
            self.wait_event, self.touch_files, self.start_threads, self.fail, self.fork,
            self.talk, self.load_module,
        ]  # fmt: skip
        while time.monotonic() < self.until:
            self.random.choice(steps)()

    def restart_now_and_then(self) -> None:
        while time.monotonic() < self.until:
            time.sleep(0.01)
            if self.chance(20):
                agent.stop()
                self.start_agent()
            sys.setswitchinterval(self.random.choice([1e-5, 1e-4, 0.005, 0.02]))

    def run(self) -> None:
        ending = self.random.choice(EXITS)
        Path(self.folder, "ending").write_text(ending, encoding="utf-8")
        signal.signal(signal.SIGALRM, lambda *_: None)
        if self.chance(50):
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        self.start_agent()
        threads = [
            threading.Thread(target=self.work, daemon=ending == "daemons")
            for _ in range(self.random.randrange(1, 7))
        ]
        for thread in threads:
            thread.start()
        self.restart_now_and_then()
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.end(ending, threads)

    def end(self, ending: str, threads: list[threading.Thread]) -> None:
        if ending == "_exit":
            os._exit(STATUS["_exit"])
        if ending == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if ending != "daemons":
            for thread in threads:
                thread.join()
        if ending == "exit":
            sys.exit(STATUS["exit"])
        if ending == "raise":
            raise RuntimeError("as it should")


def check_file(path: Path) -> tuple[int, list[str]]:
    """Number of events, and what is wrong with them."""
    # the traced program, which is this file as well, stays free of pandas
    from gtrace.evidence.gil import check_gil, lock_waits, read_gil  # noqa: PLC0415
    from gtrace.evidence.gil_calls import Function, blocking_calls  # noqa: PLC0415

    evidence = read_gil(path)
    waits = lock_waits(evidence)
    lonely = waits[(waits["outcome"] == "acquired") & (waits["poster"] < 0)]
    wrong = [*evidence.damage] if not evidence.full_at_ns else []
    if len(lonely) and path.name.endswith(".1.bin") and not evidence.full_at_ns:
        wrong.append(f"{len(lonely)} locks were got from nobody: {lonely.to_dict('records')[:3]}")
    calls = blocking_calls(evidence)
    strange = calls[(calls["end_ns"] < calls["start_ns"]) | ~calls["function"].isin(list(Function))]
    wrong += [f"strange calls: {strange.to_dict('records')[:3]}"] if len(strange) else []
    return len(evidence.events), wrong + check_gil(evidence)


def check_sites(path: Path) -> tuple[int, list[str]]:
    """Number of call sites, and what is wrong with them: each is that of an acquisition."""
    from gtrace.evidence.gil import GilKind, read_gil  # noqa: PLC0415
    from gtrace.evidence.sites import read_sites  # noqa: PLC0415

    sites, gil = read_sites(path), read_gil(path.with_name(path.name.replace("sites.", "gil.")))
    events = gil.events[gil.events["kind"] == GilKind.GIL_ACQUIRE]
    known = set(zip(events["time_ns"], events["tid"], strict=True))
    table = sites.table[~sites.table["still"]]
    strange = [site for site in zip(table["time_ns"], table["thread"], strict=True) if site not in known]
    wrong = [] if sites.full_at_ns else [*sites.damage]
    wrong += [f"sites of no acquisition: {strange[:3]}"] if strange and not gil.full_at_ns else []
    wrong += [f"{sites.lost} sites were left out"] if sites.lost and not sites.full_at_ns else []
    files = {frame.file for stack in sites.stacks for frame in stack.frames}
    odd = [file for file in files if not file.startswith(("/", "<frozen", "<string", ".", "benchmarks"))]
    wrong += [f"odd files: {odd[:3]}"] if odd else []
    lines = [frame for stack in sites.stacks for frame in stack.frames if not 0 <= frame.line < 1 << 16]
    return len(table), wrong + ([f"odd lines: {lines[:3]}"] if lines else [])


def run_round(seed: int) -> tuple[int, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", __file__, "--inside", folder, "--seed", str(seed)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return 0, ["it hangs"]
        ending = Path(folder, "ending").read_text(encoding="utf-8")
        wrong = []
        if done.returncode != STATUS[ending]:
            wrong.append(f"{ending} ended with {done.returncode}: {done.stderr[-2000:]}")
        events = 0
        for path in sorted(Path(folder).glob("*.bin")):
            count, faults = (check_sites if path.name.startswith("sites.") else check_file)(path)
            events += count
            wrong += [f"{path.name}: {fault}" for fault in faults]
        return events, wrong


def run_many(seconds: float) -> int:
    end = time.monotonic() + seconds
    rounds = events = failures = 0
    while time.monotonic() < end:
        seed = random.randrange(1 << 32)
        count, wrong = run_round(seed)
        rounds, events, failures = rounds + 1, events + count, failures + bool(wrong)
        for fault in wrong:
            print(f"seed {seed}: {fault}", flush=True)
    print(f"{sys.version.split()[0]}: {rounds} rounds, {events} events, {failures} failures")
    return int(failures > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Random threads under the agent.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        Program(options.seed, options.inside).run()
        return 0
    if options.seed is not None:
        events, wrong = run_round(options.seed)
        print(events, "events", *wrong, sep="\n")
        return int(bool(wrong))
    return run_many(options.seconds)


if __name__ == "__main__":
    sys.exit(main())
