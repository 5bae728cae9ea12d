"""Ctrl-C comes while a thread that is no daemon works: it ends the main thread, and nothing else.

Claim: Ctrl-C ends a program, also one with threads. Often told. The documentation says less,
https://docs.python.org/3/library/signal.html: Python signal handlers are always executed in the main thread.

The page must show: ``worker-0`` waits in ``lock_wait``, reason event, until the main thread is interrupted
in its sleep; then it works on, and the process with it, until it ends by itself, a little later. The exit
status is that of Ctrl-C (130). With ``--worker stubborn`` the worker never ends; a second Ctrl-C, while the
interpreter waits for it, cuts it off. With ``--main join`` the main thread is interrupted while it joins
the worker: up to Python 3.12 it then takes the worker for ended, and leaves it behind.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time


def finish(interrupted, seconds):
    interrupted.wait()
    time.sleep(seconds)
    print("the worker has finished its work", flush=True)


def never_finish(interrupted, seconds):
    while True:
        interrupted.wait()
        time.sleep(seconds)


def main():
    parser = argparse.ArgumentParser(description="Ctrl-C while a thread works")
    parser.add_argument("--worker", choices=("finishes", "stubborn"), default="finishes")
    parser.add_argument("--main", choices=("sleep", "join"), default="sleep", help="what main does meanwhile")
    parser.add_argument("--seconds", type=float, default=0.1, help="how long the worker goes on")
    parser.add_argument("--patience", type=float, default=0.5, help="ends without a Ctrl-C after so long")
    args = parser.parse_args()
    # in a background job of a shell Ctrl-C would be ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = threading.Event()
    target = finish if args.worker == "finishes" else never_finish
    # a daemon would not keep the process alive, and that is what this is about
    worker = threading.Thread(target=target, name="worker-0", args=(interrupted, args.seconds))
    worker.start()
    print("waits for Ctrl-C", flush=True)
    try:
        if args.main == "join":
            worker.join(args.patience)
        else:
            time.sleep(args.patience)
        print("no Ctrl-C came", flush=True)
    except KeyboardInterrupt:
        print("main is interrupted", flush=True)
        raise
    finally:
        interrupted.set()


if __name__ == "__main__":
    main()
