"""Every blocking call of the standard library lets the GIL go before it blocks; a careless C call does not.

That is how the GIL is usually explained ("released around I/O", docs.python.org/3/c-api/init.html), and
it holds for what the standard library itself blocks in, here one call after another, each in a thread
named after it, while the thread ``counter`` counts and so always wants the GIL.

The page must show: each thread named after a call is in ``sleep``, ``io_wait``, ``lock_wait`` or
``blocked``, with ``gil`` away, for nearly all of its life, and ``counter`` is ``running`` meanwhile.
``PyDLL usleep`` is the counter-example: a function of C called with the GIL kept. Its thread is
``stalled`` as long, and ``counter`` in ``gil_wait``: everybody stands still.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import multiprocessing
import os
import queue
import select
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future

STALLS = "PyDLL usleep"


def nothing():
    pass


def timed(seconds):
    """Calls that end by a time of their own: the name, and what blocks."""
    never = threading.Event()
    libc, kept = ctypes.CDLL(None), ctypes.PyDLL(None)
    microseconds = int(seconds * 1e6)
    source, _ = os.pipe()
    poll = select.poll()
    poll.register(source, select.POLLIN)
    epoll = select.epoll()
    epoll.register(source, select.EPOLLIN)
    yield "time.sleep", lambda: time.sleep(seconds)
    yield "Event.wait", lambda: never.wait(seconds)
    yield "select.select", lambda: select.select([source], [], [], seconds)
    yield "poll.poll", lambda: poll.poll(seconds * 1e3)
    yield "epoll.poll", lambda: epoll.poll(seconds)
    yield "signal.sigtimedwait", lambda: signal.sigtimedwait([signal.SIGUSR1], seconds)
    yield "CDLL usleep", lambda: libc.usleep(microseconds)
    yield STALLS, lambda: kept.usleep(microseconds)


def awaited(folder):
    """Calls that end when another thread lets them: the name, what blocks, and what ends it."""
    lock, rlock, semaphore = threading.Lock(), threading.RLock(), threading.Semaphore(0)
    lock.acquire()
    rlock.acquire()
    items, future, barrier = queue.Queue(), Future(), threading.Barrier(2)
    shared = multiprocessing.get_context("spawn").Lock()
    shared.acquire()
    # started here: who starts a process may have to wait for it with the GIL kept, until it has begun
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    yield "Lock.acquire", lock.acquire, lock.release
    yield "RLock.acquire", rlock.acquire, rlock.release
    yield "Semaphore.acquire", semaphore.acquire, semaphore.release
    yield "multiprocessing.Lock", shared.acquire, shared.release
    yield "Queue.get", items.get, lambda: items.put(None)
    yield "Future.result", future.result, lambda: future.set_result(None)
    yield "Barrier.wait", barrier.wait, barrier.wait
    yield "Popen.wait", child.wait, child.stdin.close
    yield from descriptors(folder)


def descriptors(folder):
    """As ``awaited``: calls that block in the kernel until a file, pipe or socket lets them go on."""
    source, sink = os.pipe()
    full, room = os.pipe()
    os.set_blocking(room, False)
    os.write(room, bytes(1 << 20))
    os.set_blocking(room, True)
    near, far = socket.socketpair()
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.socket()
    held, wanted = (open(os.path.join(folder, "lock"), "w") for _ in range(2))  # noqa: SIM115  kept open
    fcntl.flock(held, fcntl.LOCK_EX)
    yield "os.read of a pipe", lambda: os.read(source, 1), lambda: os.write(sink, b"x")
    yield "os.write to a full pipe", lambda: os.write(room, b"x"), lambda: os.read(full, 1 << 20)
    yield "socket.recv", lambda: near.recv(1), lambda: far.send(b"x")
    yield "socket.accept", server.accept, lambda: client.connect(server.getsockname())
    yield "fcntl.flock", lambda: fcntl.flock(wanted, fcntl.LOCK_EX), held.close


def locked_database(folder):
    """As ``awaited``: SQLite waits for another connection's transaction, with sleeps of its own."""
    path = os.path.join(folder, "data")
    holder, waiter = (sqlite3.connect(path, check_same_thread=False, isolation_level=None) for _ in range(2))
    holder.execute("create table t (a)")
    holder.execute("begin exclusive")
    return "sqlite3 execute", lambda: waiter.execute("insert into t values (1)"), holder.commit


def block(name, call, end, seconds):
    """The call in a thread of its own, ended after ``seconds`` unless it ends by itself."""
    thread = threading.Thread(target=call, name=name)
    thread.start()
    time.sleep(seconds)
    end()
    thread.join()
    print(name)


def count(done):
    while not done.is_set():
        pass


def main():
    parser = argparse.ArgumentParser(description="which blocking calls keep the GIL?")
    parser.add_argument("--seconds", type=float, default=0.02, help="how long each call blocks")
    args = parser.parse_args()
    done = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        calls = [(name, call, nothing) for name, call in timed(args.seconds)]
        calls += [*awaited(folder), locked_database(folder)]
        counter = threading.Thread(target=count, name="counter", args=(done,))
        counter.start()
        for name, call, end in calls:
            block(name, call, end, args.seconds)
        done.set()
        counter.join()


if __name__ == "__main__":
    main()
