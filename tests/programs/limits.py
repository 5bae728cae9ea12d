"""May open no more files and write no long ones."""

import resource
import sys
import threading

sys.dont_write_bytecode = True  # or half of a module would be left for others
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for _ in range(1200):
    thread = threading.Thread(target=int, name="x" * 300)
    thread.start()
    thread.join()
print("unharmed")
