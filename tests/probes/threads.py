"""One wait of each kind for time, locks, queues and other threads."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

from probes.registry import WAIT_S, later, probe


@probe("sleep", "sleep")
def sleep() -> None:
    time.sleep(WAIT_S)


@probe("lock_wait", "lock")
def lock() -> None:
    held = threading.Lock()
    held.acquire()
    later(held.release)
    held.acquire()


@probe("lock_wait", "rlock")
def rlock() -> None:
    held = threading.RLock()

    def hold() -> None:
        with held:
            taken.set()
            time.sleep(WAIT_S * 2)

    taken = threading.Event()
    threading.Thread(target=hold, daemon=True).start()
    while not taken.is_set():
        pass
    held.acquire()


@probe("lock_wait", "lock")
def condition_enter() -> None:
    held = threading.Lock()
    held.acquire()
    later(held.release)
    condition = threading.Condition(held)
    with condition:
        pass


@probe("lock_wait", "condition")
def condition_wait() -> None:
    with (condition := threading.Condition()):
        condition.wait(WAIT_S)


@probe("lock_wait", "condition")
def condition_wait_for() -> None:
    with (condition := threading.Condition()):
        condition.wait_for(lambda: False, WAIT_S)


@probe("lock_wait", "event")
def event() -> None:
    flag = threading.Event()
    later(flag.set)
    flag.wait()


@probe("lock_wait", "semaphore")
def semaphore() -> None:
    permits = threading.Semaphore(0)
    later(permits.release)
    permits.acquire()


@probe("lock_wait", "semaphore")
def semaphore_with() -> None:
    permits = threading.BoundedSemaphore(1)
    permits.acquire()
    later(permits.release)
    with permits:
        pass


@probe("lock_wait", "barrier")
def barrier() -> None:
    both = threading.Barrier(2)
    later(both.wait)
    both.wait()


@probe("lock_wait", "thread join")
def thread_join() -> None:
    later(int).join()


@probe("lock_wait", "thread join")
def thread_join_timeout() -> None:
    thread = threading.Thread(target=time.sleep, args=(WAIT_S * 2,), daemon=True)
    thread.start()
    thread.join(WAIT_S)


@probe("lock_wait", "queue")
def simple_queue_get() -> None:
    items: queue.SimpleQueue[int] = queue.SimpleQueue()
    later(items.put, 1)
    items.get()


@probe("lock_wait", "queue")
def queue_get() -> None:
    items: queue.Queue[int] = queue.Queue()
    later(items.put, 1)
    items.get()


@probe("lock_wait", "queue")
def queue_get_timeout() -> None:
    with contextlib.suppress(queue.Empty):
        queue.PriorityQueue().get(timeout=WAIT_S)


@probe("lock_wait", "queue")
def queue_put() -> None:
    items: queue.Queue[int] = queue.Queue(1)
    items.put(1)
    later(items.get)
    items.put(2)


@probe("lock_wait", "queue")
def queue_join() -> None:
    items: queue.Queue[int] = queue.Queue()
    items.put(1)
    later(items.task_done)
    items.join()
