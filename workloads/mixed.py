"""Threads that wait beside a thread that computes: each short wait costs a wait for the GIL on top.

The page must show: ``cpu-0`` computes, with no ``sleep`` and no ``io_wait``. Each ``io-i`` spends more
than half of its life in ``sleep``, and after every one of its sleeps has to get the GIL back from
``cpu-0``: with evidence of the GIL that is ``gil_wait``, up to one switch interval (5 ms) after each
sleep of 20 ms, and ``cpu-0`` is the holder; with the calls alone it counts as ``sleep``. The main thread
is in ``lock_wait``, reason thread join. Cores in use: about 1.
"""

from __future__ import annotations

import argparse
import threading
import time


def digit_sum(number):
    return sum(int(digit) for digit in str(number))


def compute(done):
    number = 0
    while not done.is_set():
        digit_sum(number)
        number += 1


def answer(rounds, seconds):
    for number in range(rounds):
        time.sleep(seconds)
        digit_sum(number)


def main():
    parser = argparse.ArgumentParser(description="threads that wait beside one that computes")
    parser.add_argument("--threads", type=int, default=3, help="threads that wait")
    parser.add_argument("--rounds", type=int, default=40, help="waits of each of them")
    parser.add_argument("--seconds", type=float, default=0.02, help="length of one wait")
    args = parser.parse_args()
    done = threading.Event()
    computing = threading.Thread(target=compute, name="cpu-0", args=(done,))
    waiting = [
        threading.Thread(target=answer, name=f"io-{i}", args=(args.rounds, args.seconds))
        for i in range(args.threads)
    ]
    computing.start()
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    done.set()
    computing.join()
    print("answers:", args.threads * args.rounds)


if __name__ == "__main__":
    main()
