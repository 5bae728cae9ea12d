"""Handles SIGTERM, gives it back to the default, and ends by it."""

import os
import signal

print(signal.signal(signal.SIGTERM, lambda number, _frame: print("handled", number)))
os.kill(os.getpid(), signal.SIGTERM)
print(signal.getsignal(signal.SIGHUP) is signal.SIG_DFL, flush=True)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
