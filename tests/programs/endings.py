"""What runs when a program ends, in its order."""

import atexit
import threading
import time
import weakref


class Mourned:
    def __del__(self):
        print("deleted")


class Circular(Mourned):
    def __init__(self):
        self.me = self


def tick():
    while True:
        time.sleep(0.001)


def late():
    threading.main_thread().join()
    print("late thread")


def at_exit():
    print("at exit", threading.active_count())
    raise ValueError("at exit")


mourned, circular = Mourned(), Circular()
weakref.finalize(mourned, print, "finalized")
atexit.register(print, "registered first")
atexit.register(at_exit)
threading.Thread(target=tick, daemon=True).start()
threading.Thread(target=late).start()
file = open("/dev/stdout", "w")
file.write("written at the end\n")
print("main ends", flush=True)
