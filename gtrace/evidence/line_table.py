"""Which line an instruction belongs to, from the raw table of a code object of any CPython we know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNIT: Final = 2
"""Bytes in a code unit."""
_NO_LINE: Final = -128
_ENTRY: Final = 0x80
_CONTINUES: Final = 0x40
_VARIABLE: Final = (13, 14)
"""Entries of the table of 3.11 whose line is told as a number of any size."""
_ONE_LINE: Final = range(10, 13)
_LINELESS: Final = 15


def line_of(table: bytes, first_line: int, offset: int, version: tuple[int, int]) -> int | None:
    """The line of the instruction at byte ``offset`` (as ``f_lasti``), None where it has none.

    ``table`` is ``co_linetable`` of CPython ``version``; what is not in it is on ``first_line``, as
    CPython says of a function that has not begun.
    """
    if offset < 0:
        return first_line
    for start, end, line in lines_of(table, first_line, version):
        if start <= offset < end:
            return line
    return None


def lines_of(
    table: bytes, first_line: int, version: tuple[int, int]
) -> Iterator[tuple[int, int, int | None]]:
    """Start and end (bytes) of each stretch of instructions, and their line; some of no length."""
    return _old_lines(table, first_line) if version < (3, 11) else _new_lines(table, first_line)


def _old_lines(table: bytes, line: int) -> Iterator[tuple[int, int, int | None]]:
    """CPython 3.10: pairs of a length and a change of line."""
    end = 0
    steps = memoryview(table).cast("b")
    for length, change in zip(table[::2], steps[1::2], strict=False):
        start, end = end, end + length
        if change == _NO_LINE:
            yield start, end, None
        else:
            line += change
            yield start, end, line


def _new_lines(table: bytes, line: int) -> Iterator[tuple[int, int, int | None]]:
    """Since 3.11: entries that begin with a byte from 0x80 on, and go on with bytes below."""
    end, at = 0, 0
    while at < len(table):
        code, length = table[at] >> 3 & 15, (table[at] & 7) + 1
        start, end = end, end + length * _UNIT
        if code in _VARIABLE:
            line += _signed(table, at + 1)
        elif code in _ONE_LINE:
            line += code - _ONE_LINE.start
        yield start, end, None if code == _LINELESS else line
        at += 1
        while at < len(table) and not table[at] & _ENTRY:
            at += 1


def _signed(table: bytes, at: int) -> int:
    """A number in parts of six bits, lowest first, whose own lowest bit is its sign."""
    value, shift = 0, 0
    for part in table[at:]:
        value |= (part & (_CONTINUES - 1)) << shift
        shift += 6
        if not part & _CONTINUES:
            break
    return -(value >> 1) if value & 1 else value >> 1
