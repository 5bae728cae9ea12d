"""multiprocessing in each of its ways, and children by subprocess: they know nothing of the recorder."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings

SEEN = "import os, sys; print(sys.path, sorted(os.environ), 'gtrace' in sys.modules, sys.getprofile())"


def square(x):
    return x * x, multiprocessing.current_process().name, threading.current_thread().name


def main():
    warnings.simplefilter("ignore")
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            print(method, pool.map(square, range(3)))
        process = context.Process(target=time.sleep, args=(60,))
        process.start()
        process.terminate()
        process.join()
        print(process.exitcode)
    for options in ({}, {"close_fds": False}, {"preexec_fn": os.getpid}):
        print(subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, **options))
    print(subprocess.getoutput("env | grep -ci gtrace"))


if __name__ == "__main__":
    main()
