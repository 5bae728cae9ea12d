"""Tries to become programs that are not there, and goes on; then fails at it."""

import os
import threading
import traceback

for attempt in (
    lambda: os.execv("/nonexistent/program", ["program"]),
    lambda: os.execve("/etc/passwd", ["program"], {}),
    lambda: os.execvp("no-such-program", ["program"]),
    lambda: os.execv("/bin/sh", []),
    lambda: os.execv(1, 2),
    lambda: os._exit("text"),
):
    try:
        attempt()
    except (OSError, TypeError, ValueError):
        traceback.print_exc()
thread = threading.Thread(target=int, name="after exec")
thread.start()
thread.join()
os.execlp("no-such-program", "program")
