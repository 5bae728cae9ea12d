"""One wait of each kind on files and pipes."""

from __future__ import annotations

import fcntl
import os
import shutil

from probes.registry import BIG, FOLDER, later, probe


@probe("io_wait", "file read")
def pipe_read() -> None:
    reading, writing = os.pipe()
    later(os.write, writing, b"x")
    os.read(reading, 1)


@probe("io_wait", "file read")
def pipe_readline() -> None:
    reading, writing = os.pipe()
    later(os.write, writing, b"x\n")
    with open(reading) as file:
        file.readline()


@probe("io_wait", "file write")
def pipe_write() -> None:
    reading, writing = os.pipe()
    later(read_all, reading, len(BIG))
    os.write(writing, BIG)


def read_all(source: int, count: int) -> None:
    while count:
        count -= len(os.read(source, count))


@probe("io_wait", "file open")
def fifo_open() -> None:
    os.mkfifo(FOLDER / "fifo")
    later((FOLDER / "fifo").write_bytes, b"x")
    with open(FOLDER / "fifo", "rb"):
        pass


@probe("io_wait", "file open")
def fifo_os_open() -> None:
    os.mkfifo(FOLDER / "fifo2")
    later(os.open, FOLDER / "fifo2", os.O_WRONLY)
    os.open(FOLDER / "fifo2", os.O_RDONLY)


@probe("io_wait", "file write")
def buffered_write() -> None:
    (FOLDER / "binary").write_bytes(8 * BIG)


@probe("io_wait", "file write")
def text_write() -> None:
    (FOLDER / "text").write_text("word " * (1 << 20), "utf-8")


@probe("io_wait", "file read")
def text_read() -> None:
    reading, writing = os.pipe()
    later(write_and_close, writing)
    with open(reading) as file:
        file.read()


def write_and_close(target: int) -> None:
    os.write(target, b"x\n")
    os.close(target)


@probe("io_wait", "file read")
def buffered_read() -> None:
    (FOLDER / "binary").read_bytes()


@probe("io_wait", "file read")
def raw_read() -> None:
    with open(FOLDER / "binary", "rb", buffering=0) as file:
        file.readall()


@probe("io_wait", "file sync")
def fsync() -> None:
    with open(FOLDER / "synced", "wb", buffering=0) as file:
        file.write(BIG)
        os.fsync(file.fileno())


@probe("lock_wait", "file lock")
def flock() -> None:
    first, second = (os.open(FOLDER / "locked", os.O_CREAT | os.O_RDWR) for _ in range(2))
    fcntl.flock(first, fcntl.LOCK_EX)
    later(fcntl.flock, first, fcntl.LOCK_UN)
    fcntl.flock(second, fcntl.LOCK_EX)


@probe("io_wait", "file copy")
def copy_file() -> None:
    shutil.copyfile(FOLDER / "binary", FOLDER / "copy")


@probe("io_wait", "file system")
def list_folder() -> None:
    os.listdir("/proc")
