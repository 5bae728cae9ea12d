"""Loads viztracer for itself, as joblib does where it is installed, and starts threads."""

import gc
import threading

import viztracer

for _ in range(3):
    gc.collect()
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
print(viztracer.get_tracer(), "unharmed")
