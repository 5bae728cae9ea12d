"""JSON written piece by piece, compressed where the file's name says so; same run, same bytes."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    import numpy as np
    import numpy.typing as npt

    Columns = dict[str, tuple[npt.NDArray[np.int64], Callable[[int], str]]]
    """Values, and what makes one of them JSON."""

COMPRESSION: Final = 3
"""Levels above it took twice the time for a tenth of the size on a million calls."""
ROWS: Final = 1 << 14
"""So many events are text at a time."""
_CONTROLS: Final = dict.fromkeys(range(32), "\N{REPLACEMENT CHARACTER}")


@contextmanager
def open_json(path: Path) -> Iterator[IO[bytes]]:
    """``path`` for writing; gzip where it ends in ``.gz``, without the time of day in it."""
    with path.open("wb") as file:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as packed:
                yield packed  # type: ignore[misc]  # it writes bytes as a file does
        else:
            yield file


def quoted(value: Any) -> str:
    """``value`` as JSON in which nothing is escaped but quotes and backslashes.

    Perfetto shows other escapes as they stand, so control characters become the replacement
    character; lone surrogates, which UTF-8 has no form for, become ``?``.
    """
    return json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").translate(_CONTROLS)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


def chunks(count: int) -> Iterator[slice]:
    """Slices of at most ``ROWS`` that cover ``count`` rows."""
    return (slice(first, min(first + ROWS, count)) for first in range(0, count, ROWS))


def write_array(file: IO[bytes], parts: Iterable[str]) -> None:
    """Writes ``[…]``; ``parts`` are values as JSON, several in one joined by commas; none is empty."""
    file.write(b"[")
    for i, part in enumerate(parts):
        file.write((",\n" + part if i else part).encode())
    file.write(b"]")


def write_columns(file: IO[bytes], columns: Columns) -> None:
    """The columns of a table, their length, and a closing brace."""
    count = 0
    for name, (values, text) in columns.items():
        count = len(values)
        file.write(f'"{name}":'.encode())
        write_array(file, (",".join(map(text, values[rows].tolist())) for rows in chunks(count)))
        file.write(b",\n")
    file.write(f'"length":{count}}}'.encode())
