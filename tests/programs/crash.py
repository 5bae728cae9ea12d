"""Shows the stacks of its threads, then ends by a signal that cannot be handled in Python."""

import faulthandler
import os
import sys
import threading
import traceback

ready, end = threading.Event(), threading.Event()


def waits():
    ready.set()
    end.wait()


thread = threading.Thread(target=waits)
thread.start()
ready.wait()
for _ in range(1000):
    stack = traceback.format_stack(sys._current_frames()[thread.ident])
    if "waiter.acquire" in stack[-1]:
        break
print("".join(stack))
end.set()
thread.join()
# a profiler may have last words in a thread that was joined, which shows once more while they are said
while len(os.listdir("/proc/self/task")) > 1:
    pass
# what C functions the interpreter is in differs with any tool that watches it
faulthandler.enable(**({"c_stack": False} if sys.version_info >= (3, 14) else {}))
faulthandler._sigsegv()
