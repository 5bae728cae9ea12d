"""One wait of each kind for futures, event loops and other processes and interpreters."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import multiprocessing
import queue
import time
from typing import Any

from probes.registry import WAIT_S, later, probe


@probe("lock_wait", "future")
def future_result() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, WAIT_S).result()


@probe("lock_wait", "future")
def futures_wait() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        concurrent.futures.wait([pool.submit(time.sleep, WAIT_S)])


@probe("lock_wait", "future")
def futures_as_completed() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        list(concurrent.futures.as_completed([pool.submit(time.sleep, WAIT_S)]))


@probe("lock_wait", "future")
def executor_map() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        list(pool.map(time.sleep, [WAIT_S]))


@probe("lock_wait", "thread join")
def executor_shutdown() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, WAIT_S)


@probe("io_wait", "event loop")
def asyncio_sleep() -> None:
    asyncio.run(asyncio.sleep(WAIT_S))


@probe("lock_wait", "process lock")
def process_lock() -> None:
    held = multiprocessing.Lock()
    held.acquire()
    later(held.release)
    held.acquire()


@probe("lock_wait", "process lock")
def process_lock_with() -> None:
    held = multiprocessing.Lock()
    held.acquire()
    later(held.release)
    with held:
        pass


@probe("lock_wait", "condition")
def process_condition() -> None:
    with (condition := multiprocessing.Condition()):
        condition.wait(WAIT_S)


@probe("lock_wait", "event")
def process_event() -> None:
    flag = multiprocessing.Event()
    later(flag.set)
    flag.wait()


@probe("io_wait", "pipe")
def connection_recv() -> None:
    near, far = multiprocessing.Pipe()
    later(far.send, 1)
    near.recv()


@probe("io_wait", "pipe")
def connection_poll() -> None:
    near, _far = multiprocessing.Pipe()
    near.poll(WAIT_S)


@probe("io_wait", "process queue")
def process_queue_get() -> None:
    items: Any = multiprocessing.SimpleQueue()
    later(items.put, 1)
    items.get()


@probe("io_wait", "process queue")
def process_queue_get_timeout() -> None:
    with contextlib.suppress(queue.Empty):
        multiprocessing.Queue().get(timeout=WAIT_S)


@probe("lock_wait", "future")
def process_pool_apply() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply_async(time.sleep, (WAIT_S * 3,)).get()


@probe("io_wait", "child process")
def process_join() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(WAIT_S,))
    process.start()
    process.join()


@probe("io_wait", "child process")
def process_join_timeout() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(WAIT_S * 3,))
    process.start()
    process.join(WAIT_S)
    process.kill()


@probe("lock_wait", "queue", since=(3, 14))
def interpreter_queue_get() -> None:
    from concurrent import interpreters

    items = interpreters.create_queue()
    later(items.put, 1)
    items.get()
