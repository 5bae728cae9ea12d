"""Collects its garbage, then starts threads: what the recorder needs must still be there."""

import gc
import threading

for _ in range(3):
    gc.collect()
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
print("unharmed")
