"""Threads that each wait for one slow answer: by a sleep, over a socket, through a pipe.

Claim: the waits of threads overlap, so that n of them take the time of one. Source:
https://docs.python.org/3/library/threading.html, "threading is still an appropriate model if you want to
run multiple I/O-bound tasks simultaneously".

The page must show: the threads ``KIND-N-i`` are N that ask at the same time, once, after they met at a
barrier (``lock_wait``). Those called ``sleep`` are in ``sleep`` nearly all the time, those called ``socket``
and ``pipe`` in ``io_wait``, reason socket recv and file read, and next to none of them in ``gil_wait``. The
waits of the N lie above each other: added up they are about N times as long as from the start of the first
to the end of the last. Each question over a socket (through the loopback interface) or a pipe is answered by
a thread of its own, ``server-KIND-N-i``, after a ``sleep``. The main thread is in ``lock_wait``, reason
thread join. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time


class Sleep:
    """The answer takes its time, and nobody has to give it."""

    def __init__(self, seconds):
        self.seconds = seconds

    def ask(self):
        time.sleep(self.seconds)

    def answer(self):
        pass

    def close(self):
        pass


class Socket:
    """A connection to a server, over the loopback interface."""

    def __init__(self, seconds):
        self.seconds = seconds
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.near = socket.create_connection(listener.getsockname())
            self.far, _ = listener.accept()

    def ask(self):
        self.near.sendall(b"?")
        self.near.recv(1)

    def answer(self):
        self.far.recv(1)
        time.sleep(self.seconds)
        self.far.sendall(b"!")

    def close(self):
        self.near.close()
        self.far.close()


class Pipe:
    """Two pipes, one for the question and one for the answer."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.ends = (*os.pipe(), *os.pipe())

    def ask(self):
        os.write(self.ends[1], b"?")
        os.read(self.ends[2], 1)

    def answer(self):
        os.read(self.ends[0], 1)
        time.sleep(self.seconds)
        os.write(self.ends[3], b"!")

    def close(self):
        for end in self.ends:
            os.close(end)


KINDS = {"sleep": Sleep, "socket": Socket, "pipe": Pipe}


def ask(line, barrier):
    barrier.wait()
    line.ask()


def wait_for_answers(kind, count, seconds):
    """``count`` threads ask at the same time; how long until the last one has its answer."""
    lines, barrier = [KINDS[kind](seconds) for _ in range(count)], threading.Barrier(count + 1)
    servers = [
        threading.Thread(target=line.answer, name=f"server-{kind}-{count}-{i}")
        for i, line in enumerate(lines)
        if kind != "sleep"
    ]
    askers = [
        threading.Thread(target=ask, name=f"{kind}-{count}-{i}", args=(line, barrier))
        for i, line in enumerate(lines)
    ]
    for thread in servers + askers:
        thread.start()
    barrier.wait()
    began = time.perf_counter()
    for thread in servers + askers:
        thread.join()
    took = time.perf_counter() - began
    for line in lines:
        line.close()
    return took


def main():
    parser = argparse.ArgumentParser(description="threads that each wait for one slow answer")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=0.06, help="how long an answer takes")
    args = parser.parse_args()
    for kind in args.kinds:
        for count in args.threads:
            took = wait_for_answers(kind, count, args.seconds)
            print(f"{kind}, {count} threads: {took / args.seconds:.2f} times the time of one answer")


if __name__ == "__main__":
    main()
