"""Becomes another program."""

import os
import sys
import threading

if len(sys.argv) > 1:
    print(sys.argv, sys.getprofile(), "gtrace" in sys.modules, sorted(os.environ))
    sys.exit(9)
thread = threading.Thread(target=int, name="before exec")
thread.start()
thread.join()
print("before", flush=True)
os.execv(sys.executable, [sys.executable, __file__, "again"])
