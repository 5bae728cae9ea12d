"""A thread cannot be stopped from outside; it can be asked to, if it looks.

Claim: there is no way to stop a thread but to ask it to, by an Event it looks at. Source:
https://docs.python.org/3/library/threading.html, "threads cannot be destroyed, stopped, suspended, resumed,
or interrupted", and "if you want your threads to stop gracefully, make them non-daemonic and use a suitable
signalling mechanism such as an Event".

The page must show: ``asked`` is in ``sleep`` (an event's wait that ran out) until the event is set and ends
then; ``not-asked`` does the same on an event that nobody sets, and is alive at the end. The native ids are
the ones printed here.
"""

from __future__ import annotations

import argparse
import threading
import time

WAYS = ("stop", "kill", "terminate", "cancel", "interrupt", "suspend", "destroy", "close")


def work_until(stop):
    while not stop.wait(0.01):
        pass


def main():
    parser = argparse.ArgumentParser(description="a thread that is asked to stop, and one that is not")
    parser.add_argument("--seconds", type=float, default=0.2, help="how long they work before one is asked")
    args = parser.parse_args()
    stop, never = threading.Event(), threading.Event()
    asked = threading.Thread(target=work_until, name="asked", args=(stop,))
    not_asked = threading.Thread(target=work_until, name="not-asked", args=(never,), daemon=True)
    asked.start()
    not_asked.start()
    time.sleep(args.seconds)
    print("ways to stop a thread:", [way for way in WAYS if hasattr(asked, way)])
    del not_asked  # to forget a thread does not end it either
    stop.set()
    asked.join()
    print("asked is alive:", asked.is_alive())
    print("threads left:", sorted(thread.name for thread in threading.enumerate()), flush=True)


if __name__ == "__main__":
    main()
