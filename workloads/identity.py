"""What a program sees of its own threads, at three instants, beside what the kernel and ps see.

Claim: ``threading.active_count()``, ``enumerate()``, ``current_thread()``, ``main_thread()``, ``get_ident()``
and ``get_native_id()`` say which threads there are and which is which, and ``/proc/self/task`` and ``ps -T``
say the same. Source: https://docs.python.org/3/library/threading.html. It is often told that ``enumerate()``
lists all threads of the process; one started by ``_thread``, or by a library written in C, is not in it.

The page must show: the main thread and ``reader``, ``writer`` and ``ticker`` (a daemon), with the native
ids, idents and names printed here (one line of JSON an instant); ``reader`` ends between the second instant
and the third. With ``--raw`` there is one thread more, started by ``_thread`` and called after its function,
``unlisted``. All of them are in ``lock_wait`` nearly all the time; the main thread, with ``--ps``, in
``io_wait``.
"""

from __future__ import annotations

import _thread
import argparse
import json
import os
import subprocess
import threading
import time

PATIENCE_S = 1.0


def describe(thread):
    return {
        "name": thread.name,
        "ident": thread.ident,
        "native_id": thread.native_id,
        "daemon": thread.daemon,
        "alive": thread.is_alive(),
    }


def myself():
    """What the thread that asks is told about itself."""
    return {
        "name": threading.current_thread().name,
        "ident": threading.get_ident(),
        "native_id": threading.get_native_id(),
    }


def tasks():
    return sorted(map(int, os.listdir("/proc/self/task")))


def ps():
    """The native ids that ``ps -T`` lists; None where there is no such ps."""
    try:
        command = ["ps", "-T", "-o", "spid=", "-p", str(os.getpid())]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted(map(int, listed.stdout.split()))


def look(selves, with_ps):
    """Prints what is seen at this instant; nobody starts or ends a thread while it looks."""
    now = time.monotonic_ns()
    print(
        json.dumps(
            {
                "time_ns": now,
                "active_count": threading.active_count(),
                "enumerate": [describe(thread) for thread in threading.enumerate()],
                "main_thread": describe(threading.main_thread()),
                "selves": [myself(), *selves],
                "tasks": tasks(),
                "ps": ps() if with_ps else None,
            }
        )
    )


def wait_until_told(selves, started, told):
    selves.append(myself())
    started.release()
    told.wait()


def unlisted(started, told):
    """Never asks who it is: that alone would put it into the list."""
    started.release()
    told.wait()


def settle(count):
    """The kernel's list is a little late: a thread that was joined may be in it for some µs."""
    end = time.monotonic() + PATIENCE_S
    while len(tasks()) > count and time.monotonic() < end:
        time.sleep(0.001)


def main():
    parser = argparse.ArgumentParser(description="what a program sees of its own threads")
    parser.add_argument("--raw", action="store_true", help="start one by _thread, too")
    parser.add_argument("--ps", action="store_true", help="ask ps as well")
    args = parser.parse_args()
    look([], args.ps)
    selves, started = [], threading.Semaphore(0)
    told = {name: threading.Event() for name in ("reader", "writer", "ticker", "raw")}
    threads = [
        threading.Thread(
            target=wait_until_told, name=name, args=(selves, started, told[name]), daemon=name == "ticker"
        )
        for name in ("reader", "writer", "ticker")
    ]
    for thread in threads:
        thread.start()
    if args.raw:
        _thread.start_new_thread(unlisted, (started, told["raw"]))
    for _ in range(len(threads) + args.raw):
        started.acquire()
    look(selves, args.ps)
    told["reader"].set()
    threads[0].join()
    settle(3 + args.raw)
    look([one for one in selves if one["name"] != "reader"], args.ps)
    for event in told.values():
        event.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
