"""Closes what it did not open, as daemons do, and starts more threads than fit what is recorded at once."""

import os
import tempfile
import threading

os.closerange(3, 256)
files = [tempfile.TemporaryFile() for _ in range(8)]
for number in range(1200):
    thread = threading.Thread(target=int, name=f"{number}".rjust(300))
    thread.start()
    thread.join()
for file in files:
    file.write(b"its own")
    file.flush()
print([os.fstat(file.fileno()).st_size for file in files])
