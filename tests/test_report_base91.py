from __future__ import annotations

import random

import pytest
from markupsafe import escape

from gtrace.report.base91 import CHUNK, DIGITS, to_text


def to_bytes(text: str) -> bytes:
    """A slow twin of the page's decoder: one number of as many bits as there are."""
    number, bits = 0, 0
    for at in range(0, len(text), 2):
        pair = text[at : at + 2]
        number |= sum(DIGITS.index(c) * 91**i for i, c in enumerate(pair)) << bits
        bits += 13 if len(pair) == 2 else 6
    return number.to_bytes(bits // 8 + 1, "little")[: bits // 8]


@pytest.mark.parametrize("count", [*range(60), 500])
def test_bytes_come_back_from_their_text(count):
    data = random.Random(count).randbytes(count)
    assert to_bytes(to_text(data)) == data
    assert to_bytes(to_text(b"\xff" * count)) == b"\xff" * count


def test_what_is_written_in_pieces_is_written_as_one():
    data = random.Random(1).randbytes(CHUNK + 5)
    assert to_text(data) == to_text(data[:CHUNK]) + to_text(data[CHUNK:])


def test_a_page_holds_the_text_as_it_is():
    assert len(set(DIGITS)) == 91
    assert not set('<&" \n') & set(DIGITS)
    assert escape(to_text(bytes(range(256)))) == to_text(bytes(range(256)))


def test_thirteen_bytes_take_sixteen_characters():
    assert len(to_text(bytes(1300))) == 1600
