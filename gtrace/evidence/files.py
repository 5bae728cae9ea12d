"""What the files of binary evidence have in common: a header, and ways to end early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.errors import RecordingError, RecordingFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WHY_FULL: Final = ("", "it reached the size it may have", "the disk is full", "its file could not grow")
"""By the header's ``full``."""


@dataclass(frozen=True)
class Layout:
    """A kind of file: what messages call it, and how it begins; ``header`` has ``magic`` and ``version``."""

    what: str
    magic: bytes
    version: int
    header: np.dtype[np.void]


def read_evidence(path: Path | str, layout: Layout) -> tuple[NDArray[np.uint8], np.void]:
    """All bytes of the file ``path``, and its header; of a file cut short the rest of that is zero.

    Raises RecordingError where the file cannot be read or begins otherwise, and RecordingFormatError
    where a newer gtrace wrote it. One that was never written to begins with zeros.
    """
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise RecordingError(f"cannot read {layout.what}: {path}: {error.strerror}") from error
    size = layout.header.itemsize
    whole = np.zeros(size, np.uint8)
    whole[: min(len(content), size)] = content[:size]
    header: np.void = whole.view(layout.header)[0]
    start = bytes(content[: len(layout.magic)])
    if any(start) and not layout.magic.startswith(start):
        raise not_evidence(path, layout)
    if header["version"] > layout.version:
        raise RecordingFormatError(
            f"{layout.what} of format {header['version']}: {path}: "
            f"this gtrace reads up to {layout.version}, update it"
        )
    return content, header


def not_evidence(path: Path | str, layout: Layout) -> RecordingError:
    """The error for a file that is something else."""
    return RecordingError(f"not {layout.what}: {path}: record again")
