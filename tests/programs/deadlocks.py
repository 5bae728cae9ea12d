"""Threads that have locks and wait for locks in many ways; ends by what its argument says."""

import os
import signal
import sys
import threading


class Bank:
    __slots__ = ("__in", "out")

    def __init__(self):
        self.__in = threading.Condition()
        self.out = threading.Lock()

    def deposit(self, ready):
        with self.__in:
            ready.wait()
            with self.out:
                print("never")

    def withdraw(self, ready):
        self.out.acquire()
        ready.wait()
        with self.__in:
            print("never")


def in_one_statement(first, second, ready):
    with spare, first[0]:
        ready.wait()
        with spare_too, second[1]:
            print("never")


def by_acquire(first, second, ready):
    spare_too.acquire()
    spare_too.release()
    first.acquire()
    try:
        ready.wait()
        second.acquire(True, timeout=-1)
    finally:
        first.release()


def joins(ready):
    with joined:
        ready.wait()
        threads["joined"].join()


def is_joined(ready):
    ready.wait()
    joined.acquire()


def twice():
    with own:
        own.acquire()


def waits_by_hand():
    """Takes a lock to wait until another thread lets it go, as conditions do inside."""
    signalled.acquire()
    signalled.acquire()


def gives_up(ready):
    with left:
        ready.wait()
        while not right.acquire(timeout=0.05):
            pass


def goes_on(ready):
    with right:
        ready.wait()
        with left:
            pass


def consumes():
    with word:
        word.wait()


def stranger():
    """Has what it waits for, in a way that nobody who reads this function alone can see."""
    taken = helper()
    next(taken)
    free.acquire()


def helper():
    with free:
        yield


bank = Bank()
pair = (threading.Lock(), threading.RLock())
spare, spare_too, joined, own, signalled, left, right, free = (threading.Lock() for _ in range(8))
word = threading.Condition()
two = [threading.Barrier(2) for _ in range(4)]
TARGETS = {
    "deposit": (bank.deposit, two[0]),
    "withdraw": (bank.withdraw, two[0]),
    "statement": (in_one_statement, pair, pair, two[1]),
    "acquire": (by_acquire, pair[1], pair[0], two[1]),
    "joins": (joins, two[2]),
    "joined": (is_joined, two[2]),
    "twice": (twice,),
    "consumes": (consumes,),
    "by-hand": (waits_by_hand,),
    "gives-up": (gives_up, two[3]),
    "goes-on": (goes_on, two[3]),
    "stranger": (stranger,),
}
threads = {}
for name, (target, *arguments) in TARGETS.items():
    threads[name] = threading.Thread(target=target, name=name, args=arguments, daemon=True)
for thread in threads.values():
    thread.start()
threads["twice"].join(0.3)
print("ends", flush=True)
if sys.argv[1:] == ["SIGKILL"]:
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1:] == ["SIGTERM"]:
    os.kill(os.getpid(), signal.SIGTERM)
