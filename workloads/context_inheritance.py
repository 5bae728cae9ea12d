"""Whether a new thread sees the context variables of the thread that started it.

Often told: a new thread starts with an empty context. From 3.14 on that is the flag
``thread_inherit_context``: off where there is a GIL, on where there is none, unless told otherwise by
``-X thread_inherit_context``. With ``--inherit`` this program runs itself again with the flag on.

The page must show a thread for each way to start one, with the native ids printed here; all of them read
the variable that the main thread has set and end. The main thread is in ``lock_wait``, reasons thread
join and future (with ``--inherit`` in ``io_wait``, reason child process, which is a program of its own
and not recorded). Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

variable = contextvars.ContextVar("variable", default="nothing")
seen = {}


def read(way):
    seen[way] = variable.get(), threading.get_native_id()


def by_thread(way, **options):
    thread = threading.Thread(**{"target": read, "args": (way,), **options})
    thread.start()
    thread.join()


def by_executor(way):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(read, way).result()


def look():
    variable.set("set by main")
    print("flag:", getattr(sys.flags, "thread_inherit_context", "none"))
    run_in_copy = contextvars.copy_context().run
    by_thread("Thread(target)")
    by_executor("executor.submit")
    by_thread("", target=run_in_copy, args=(read, "Thread(target=copy_context().run)"))
    if sys.version_info >= (3, 14):
        by_thread("Thread(context=copy_context())", context=contextvars.copy_context())
    asyncio.run(asyncio.to_thread(read, "asyncio.to_thread"))
    for way, (value, native_id) in seen.items():
        print(f"{way}: {value}: {native_id}")


def main():
    parser = argparse.ArgumentParser(description="context variables in new threads")
    parser.add_argument("--inherit", action="store_true", help="run again with the flag on (3.14 and later)")
    args = parser.parse_args()
    if args.inherit:
        subprocess.run([sys.executable, "-X", "thread_inherit_context=1", __file__], check=True)
    else:
        look()


if __name__ == "__main__":
    main()
