"""The layout of the agent's files, as ``gtrace/recorder/agent/record.h`` specifies it (held by a test)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

MAGIC: Final = b"gtrcgil\0"
VERSION: Final = 2
CHUNK_MAGIC: Final = 0x4B435447
CHUNK_BYTES: Final = 4096
KIND_BITS: Final = 5

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("chunk_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("pid", "<u4"),
        ("started_ns", "<u8"),
        ("stopped_ns", "<u8"),
        ("full_at_ns", "<u8"),
        ("lost", "<u8"),
        ("gil_address", "<u8"),
        ("full", "<u4"),
        ("full_errno", "<u4"),
        ("level", "<u4"),
        ("unknown_gils", "<u4"),
        ("reason", "S160"),
    ]
)
CHUNK_HEADER: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("tid", "<u4"),
        ("thread", "<u4"),
        ("filled", "<u4"),
        ("started_ns", "<u8"),
        ("next_free", "<u4"),
        ("reserved", "<u4"),
    ]
)
RECORD: Final = np.dtype("<u8")
CHUNK_RECORDS: Final = (CHUNK_BYTES - CHUNK_HEADER.itemsize) // RECORD.itemsize
CHUNK: Final = np.dtype([("header", CHUNK_HEADER), ("records", RECORD, (CHUNK_RECORDS,))])


VALUE: Final = 31


class GilKind(IntEnum):
    """What a row of ``GilEvents.events`` says; the meanings are in ``record.h``."""

    THREAD = 1
    THREAD_EXIT = 2
    GIL_HOLDS = 3
    GIL_WAIT = 4
    GIL_ACQUIRE = 5
    GIL_RELEASE = 6
    GIL_FORCED_RELEASE = 7
    LOCK_WAIT = 8
    LOCK_ACQUIRE = 9
    LOCK_TIMEOUT = 10
    LOCK_INTERRUPT = 11
    LOCK_POST = 12
    CALL = 13
    TIMED_CALL = 14
    CALL_END = 15


class Function(IntEnum):
    """What the function of the C library does that a thread was in, as ``gt_function``."""

    READ = 1
    WRITE = 2
    RECV = 3
    SEND = 4
    ACCEPT = 5
    CONNECT = 6
    POLL = 7
    SLEEP = 8
    CHILD = 9
    SYNC = 10
    FILE_LOCK = 11
    OPEN = 12
    COPY = 13
    SIGNAL = 14
    NAME_LOOKUP = 15
    SEMAPHORE = 16
    TERMINAL = 17


class Descriptor(IntEnum):
    """What a descriptor was open on, as ``gt_descriptor``."""

    UNKNOWN = 0
    SOCKET = 1
    PIPE = 2
    FILE = 3
    TERMINAL = 4
    OTHER = 5


GIL_KINDS: Final = (
    GilKind.GIL_HOLDS,
    GilKind.GIL_WAIT,
    GilKind.GIL_ACQUIRE,
    GilKind.GIL_RELEASE,
    GilKind.GIL_FORCED_RELEASE,
)
