"""Loses its current folder."""

import os
import tempfile
import threading

folder = tempfile.mkdtemp()
os.chdir(folder)
os.rmdir(folder)
thread = threading.Thread(target=int)
thread.start()
thread.join()
print("gone")
