"""Ends as told: by sys.exit with a number or a text, or at once."""

import os
import sys
import threading

thread = threading.Thread(target=int, name="worker")
thread.start()
thread.join()
way, value = sys.argv[1:]
print("printed", flush=True)
if way == "at once":
    os._exit(int(value))
if way == "at once from a thread":
    threading.Thread(target=os._exit, args=(int(value),)).start()
    threading.Event().wait()
sys.exit(int(value) if way == "number" else value)
