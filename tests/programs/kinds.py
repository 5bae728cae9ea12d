"""Starts every kind of thread."""

import _thread
import os
import threading
from concurrent.futures import ThreadPoolExecutor


class Renames(threading.Thread):
    def run(self):
        self.name = "renamed"


class Joins(threading.Thread):
    def join(self, timeout=None):
        print("joins")
        super().join(timeout)


class Starts(threading.Thread):
    def start(self):
        print("starts")
        super().start()


class Property(threading.Thread):
    name = property(lambda _self: "property", lambda _self, _name: None)


def wait_and_tell(event):
    event.wait()
    print("raw", threading.current_thread().daemon)
    done.release()


for kind in (Renames, Joins, Starts, Property):
    end = threading.Event()
    thread = kind(target=end.wait, name=kind.__name__)
    thread.start()
    thread.join(0.001)
    end.set()
    thread.join()
    print(thread.name, thread.is_alive())
timer = threading.Timer(0.001, print, ("timer",))
timer.start()
timer.join()
with ThreadPoolExecutor(3, "pool") as pool:
    print(sorted(pool.map(abs, range(5))))
done = _thread.allocate_lock()
done.acquire()
_thread.start_new_thread(wait_and_tell, (end,))
done.acquire()
threading.Thread(target=threading.Event().wait, name="daemon", daemon=True).start()
print(os.getpid() == threading.get_native_id())
