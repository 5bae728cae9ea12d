"""A bounded queue between a fast side and a slow side: the fast side waits for the slow one.

The page must show, as it is by default, with slow consumers: ``producer-0`` is in ``lock_wait``, reason
queue (no room), for more than half of its life; each ``consumer-i`` is in ``sleep``, which stands for
its work, for more than half of its own. With ``--slow producer`` it is the other way round: the producer
is in ``sleep``, the consumers are in ``lock_wait``, reason queue (no item), for more than half of their
lives. The main thread is in ``lock_wait``, reason thread join. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import queue
import threading
import time

STOP = None


def produce(items, count, seconds):
    for number in range(count):
        time.sleep(seconds)
        items.put(number)


def consume(items, seconds, taken):
    while (number := items.get()) is not STOP:
        time.sleep(seconds)
        taken.append(number)


def main():
    parser = argparse.ArgumentParser(description="a bounded queue between a fast side and a slow side")
    parser.add_argument("--slow", choices=("consumer", "producer"), default="consumer")
    parser.add_argument("--consumers", type=int, default=2)
    parser.add_argument("--items", type=int, default=80)
    parser.add_argument("--room", type=int, default=4, help="items the queue holds")
    parser.add_argument("--seconds", type=float, default=0.02, help="work of the slow side on one item")
    args = parser.parse_args()
    # The fast side works too, a hundred times less.
    pace = {"consumer": args.seconds / 100, "producer": args.seconds / 100, args.slow: args.seconds}
    items = queue.Queue(args.room)
    taken = []
    consumers = [
        threading.Thread(target=consume, name=f"consumer-{i}", args=(items, pace["consumer"], taken))
        for i in range(args.consumers)
    ]
    producer = threading.Thread(target=produce, name="producer-0", args=(items, args.items, pace["producer"]))
    for thread in (producer, *consumers):
        thread.start()
    producer.join()
    for _ in consumers:
        items.put(STOP)
    for consumer in consumers:
        consumer.join()
    print("items:", len(taken), "sum:", sum(taken))


if __name__ == "__main__":
    main()
