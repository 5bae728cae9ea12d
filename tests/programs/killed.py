"""Ends by the signal named, beside a thread that waits."""

import signal
import sys
import threading

threading.Thread(target=threading.Event().wait, name="waits", daemon=True).start()
print("before", flush=True)
signal.raise_signal(signal.Signals[sys.argv[1]])
print("survived")
