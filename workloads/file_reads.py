"""Threads that read files: from the disk they wait, from the kernel's memory they do not, they copy.

Claim: reading files is a wait, as reading a socket is. Source:
https://docs.python.org/3/library/threading.html, "tasks are I/O bound, such as file operations or making
network requests, where much of the time is spent waiting". Of a local file that was read or written a while
ago it is not true: the kernel has it in memory (the page cache), and a read is a copy on the core, without
the GIL.

The page must show: each ``disk-i`` reads its file after the kernel was asked to forget it, and is mostly in
``io_wait``, reason file read (where the files are kept in memory anyway, as in a tmpfs, it is not). Each
``memory-i`` reads the same file again, several times, and is mostly in ``native``. They start together, at a
barrier (``lock_wait``); reads of all threads lie above each other either way, on as many cores as there are.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading

MEBIBYTE = 1 << 20


def write(path, size):
    with open(path, "wb") as file:
        file.write(b"gtrace 7" * (size // 8))
        file.flush()
        os.fsync(file.fileno())


def forget(path):
    """Asks the kernel to drop what it has of the file in memory; it may, and on a disk it does."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path, rounds, barrier):
    with open(path, "rb", buffering=0) as file:
        barrier.wait()
        for _ in range(rounds):
            file.seek(0)
            while file.read(MEBIBYTE):
                pass


def read_all(kind, paths, rounds):
    barrier = threading.Barrier(len(paths))
    readers = [
        threading.Thread(target=read, name=f"{kind}-{i}", args=(path, rounds, barrier))
        for i, path in enumerate(paths)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()


def main():
    parser = argparse.ArgumentParser(description="threads that read files")
    parser.add_argument("--threads", type=int, default=4, help="each reads a file of its own")
    parser.add_argument("--mebibytes", type=int, default=8, help="how large each file is")
    parser.add_argument("--rounds", type=int, default=8, help="how often each is read from memory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(i)) for i in range(args.threads)]
        for path in paths:
            write(path, args.mebibytes * MEBIBYTE)
        for path in paths:
            forget(path)
        read_all("disk", paths, 1)
        read_all("memory", paths, args.rounds)
    print("MiB read:", args.threads * args.mebibytes * (1 + args.rounds))


if __name__ == "__main__":
    main()
