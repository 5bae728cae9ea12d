"""Two threads add to one global variable: an update is lost where a switch falls between read and write.

Often told: ``counter += 1`` is three steps, so two threads that do it lose updates. Since 3.10 the
interpreter looks only at calls and at jumps back whether it must let the GIL go: with nothing between
the read and the write nothing is lost, though the threads are switched many times.

The page must show two adders, ``adder-0`` and ``adder-1``. With ``--between nothing`` they take turns in
``running`` and ``gil_wait`` and nothing is lost (on a free-threaded interpreter they run side by side, and
much is). With ``--between call`` some ``gil_wait`` begin in ``step``, after the read: what the other
adder added meanwhile is overwritten. With ``--between sleep`` every update has a ``sleep`` in its middle,
in which the other adder runs. With ``--between lock`` the other adder is in ``lock_wait``, reason lock,
during that ``sleep``, and nothing is lost. The main thread is in ``lock_wait``, reason thread join.
"""

from __future__ import annotations

import argparse
import threading
import time

counter = 0
lock = threading.Lock()


def step():
    """One, with jumps back on the way to it: at each of them a switch may come."""
    count = 0
    for one in (1,) * 100:
        count = one
    return count


def add_at_once(rounds, _seconds):
    global counter  # noqa: PLW0603  it is what this is about
    for _ in range(rounds):
        counter += 1


def add_what_a_call_returns(rounds, _seconds):
    """The counter is read first, then the function is called, then the sum is written."""
    global counter  # noqa: PLW0603  it is what this is about
    for _ in range(rounds):
        counter += step()


def add_after_sleep(rounds, seconds):
    global counter  # noqa: PLW0603  it is what this is about
    for _ in range(rounds):
        old = counter
        time.sleep(seconds)
        counter = old + 1


def add_under_lock(rounds, seconds):
    for _ in range(rounds):
        with lock:
            add_after_sleep(1, seconds)


ADDERS = {
    "nothing": add_at_once,
    "call": add_what_a_call_returns,
    "sleep": add_after_sleep,
    "lock": add_under_lock,
}


def main():
    parser = argparse.ArgumentParser(description="two threads that add to one variable")
    parser.add_argument("--between", choices=ADDERS, default="sleep", help="what is between read and write")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=50, help="how often each thread adds one")
    parser.add_argument("--seconds", type=float, default=0.001, help="length of one sleep")
    args = parser.parse_args()
    adders = [
        threading.Thread(target=ADDERS[args.between], name=f"adder-{i}", args=(args.rounds, args.seconds))
        for i in range(args.threads)
    ]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    added = args.threads * args.rounds
    print("added:", added, "counter:", counter, "lost:", added - counter)


if __name__ == "__main__":
    main()
