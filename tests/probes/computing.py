"""One computation of each kind that lets the GIL go, and many calls that keep it."""

from __future__ import annotations

import bz2
import hashlib
import json
import lzma
import math
import mmap
import os
import queue
import random
import re
import sqlite3
import threading
import time
import zlib

from probes.registry import BIG, probe


@probe("native", "compression")
def zlib_compress() -> None:
    zlib.compress(BIG)


@probe("native", "compression")
def zlib_object() -> None:
    zlib.compressobj().compress(BIG)


SMALL = zlib.compress(bytes(8 << 20))


@probe("native", "compression")
def zlib_decompress() -> None:
    zlib.decompressobj().decompress(SMALL)


@probe("native", "compression")
def bz2_compress() -> None:
    bz2.compress(BIG)


@probe("native", "compression")
def lzma_compress() -> None:
    lzma.compress(BIG)


@probe("native", "compression", since=(3, 14))
def zstd_compress() -> None:
    from compression import zstd

    zstd.ZstdCompressor(level=12).compress(4 * BIG)


@probe("native", "checksum")
def crc() -> None:
    zlib.crc32(8 * BIG)


@probe("native", "hashing")
def sha256() -> None:
    hashlib.sha256(8 * BIG)


@probe("native", "hashing")
def sha256_update() -> None:
    hashlib.sha256().update(8 * BIG)


@probe("native", "hashing")
def hash_by_name() -> None:
    hashlib.new("sha512", 8 * BIG)


@probe("native", "hashing")
def blake2_update() -> None:
    hashlib.blake2b().update(8 * BIG)


@probe("native", "hashing")
def sha3_update() -> None:
    hashlib.sha3_256().update(8 * BIG)


@probe("native", "hashing")
def pbkdf2() -> None:
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 20_000)


@probe("native", "hashing")
def scrypt() -> None:
    hashlib.scrypt(b"password", salt=b"salt", n=1024, r=8, p=1)


SERIES = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) "


@probe("native", "sqlite")
def sqlite_execute() -> None:
    sqlite3.connect(":memory:").execute(SERIES + "select sum(i) from n")


@probe("native", "sqlite")
def sqlite_fetch() -> None:
    sqlite3.connect(":memory:").cursor().execute(SERIES + "select i from n").fetchall()


def ordinary() -> None:
    """Common calls that do not let the GIL go."""
    math.sin(1.0)
    math.factorial(20)
    [3, 1, 2].sort()
    [].append(1)
    {"a": 1}.get("a")
    ", ".join([str(1)]).encode().decode().split()
    json.loads(json.dumps({"a": [1, 2.5, None]}))
    re.compile("a+").findall("aaa")
    sorted([2, 1])
    len(str(isinstance(1, int)))
    sum(range(3))
    getattr(1, "real", None)
    threading.Lock().locked()
    threading.get_ident()
    held = threading.Lock()
    held.acquire()
    held.release()
    threading.current_thread()
    time.time()
    time.monotonic()
    time.perf_counter_ns()
    random.random()
    os.getpid()
    os.fspath("a")
    mmap.mmap(-1, 1).flush()
    queue.SimpleQueue().put(1)
    next(iter([1]))
    sqlite3.connect(":memory:").cursor().close()
    (i for i in range(3)).send(None)


MAY_WAIT = {"_thread.lock.acquire", "sqlite3.connect", "_sqlite3.connect"}
"""What ``ordinary`` needs on the way, and is probed above."""
