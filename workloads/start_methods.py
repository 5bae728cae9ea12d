"""How ``multiprocessing`` starts a child: by fork, spawn, or a fork server, and which of them is the default.

Often told: on Linux a child is a fork, a copy of its parent. From 3.14 on the default is the fork server:
a fresh process that forks on behalf of this one, so that no child is a copy of a process with threads.

The page must show: a child by fork is a process of this recording, its thread is ``running`` for a moment;
a child by spawn or from the fork server is a program of its own, and is not recorded. The main thread is
in ``io_wait``, reason child process or pipe, for the ends of the children.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys


def report(sender, method):
    sender.send(f"{method}: child {os.getpid()} of {os.getppid()}")
    sender.close()


def start(method):
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=report, args=(sender, method))
    child.start()
    print(receiver.recv())
    child.join()


def main():
    parser = argparse.ArgumentParser(description="children by every start method")
    parser.add_argument("--methods", nargs="+", default=["fork", "spawn", "forkserver"])
    args = parser.parse_args()
    print("default:", multiprocessing.get_start_method())
    print("parent:", os.getpid())
    sys.stdout.flush()
    for method in args.methods:
        start(method)


if __name__ == "__main__":
    main()
