"""The layout of files of call sites, as ``site_format.h`` of the agent specifies it (held by a test)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

MAGIC: Final = b"gtrcsit\0"
VERSION: Final = 1
FRAMES: Final = 32
"""The innermost ones of a stack; of a deeper one the others are left out."""
MADE_FRAMES: Final = 8
"""The same of where a lock is made."""


class EntryKind(IntEnum):
    """What an entry says; the meanings are in ``site_format.h``."""

    PYTHON = 1
    CODE = 2
    STACK = 3
    SITE = 4
    STILL = 5
    MADE = 6


_HEAD: Final = [("kind", "<u4"), ("bytes", "<u4")]
ENTRY: Final = np.dtype(_HEAD)
PYTHON_ENTRY: Final = np.dtype([*_HEAD, ("version", "<u4"), ("reserved", "<u4")])
CODE_ENTRY: Final = np.dtype(
    [
        *_HEAD,
        ("first_line", "<u4"),
        ("name_length", "<u4"),
        ("file_length", "<u4"),
        ("table_bytes", "<u4"),
        ("name_width", "u1"),
        ("file_width", "u1"),
        ("reserved", "<u2", (3,)),
    ]
)
STACK_ENTRY: Final = np.dtype([*_HEAD, ("count", "<u4"), ("cut", "<u4")])
STACK_FRAME: Final = np.dtype([("code", "<u4"), ("offset", "<i4")])
SITE_ENTRY: Final = np.dtype(
    [*_HEAD, ("time_ns", "<u8"), ("subject", "<u8"), ("stack", "<u4"), ("reserved", "<u4")]
)
