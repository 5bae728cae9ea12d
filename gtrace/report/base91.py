"""Bytes as text fit to stand in a page: 13 bits in two characters, a twelfth less than base64 takes."""

from __future__ import annotations

from typing import Final

import numpy as np
from markupsafe import Markup

BASE: Final = 91
DIGITS: Final = "".join(c for c in map(chr, range(0x21, 0x7F)) if c not in '"&<')
"""All that ASCII can show but a space, and what would begin or end something in HTML."""
GROUP_BYTES: Final = 13
"""So many bytes are a whole number of characters: eight pairs."""
PAIRS: Final = 8
PAIR_BITS: Final = 13
DIGIT_BITS: Final = 6
"""So many bits fit one character: a rest of no more is written without the second."""
CHUNK: Final = GROUP_BYTES << 16


def to_text(data: bytes) -> Markup:
    """The bytes as text that no page need escape; from its length their number follows."""
    return Markup("").join(_chunk(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK))


def _chunk(data: bytes) -> Markup:
    groups = -(-len(data) // GROUP_BYTES)
    padded = np.zeros((groups, GROUP_BYTES + 2), dtype=np.uint32)
    padded[:, :GROUP_BYTES] = np.frombuffer(data.ljust(groups * GROUP_BYTES, b"\0"), "u1").reshape(groups, -1)
    digits = np.empty((groups, PAIRS, 2), dtype=np.uint8)
    for pair in range(PAIRS):
        byte, bit = divmod(pair * PAIR_BITS, 8)
        three = padded[:, byte] | padded[:, byte + 1] << 8 | padded[:, byte + 2] << 16
        value = (three >> bit) & ((1 << PAIR_BITS) - 1)
        digits[:, pair, 0], digits[:, pair, 1] = value % BASE, value // BASE
    text = np.frombuffer(DIGITS.encode("ascii"), "u1")[digits].tobytes().decode("ascii")
    pairs, rest = divmod(8 * len(data), PAIR_BITS)
    return Markup(text[: 2 * pairs + (rest > 0) + (rest > DIGIT_BITS)])  # noqa: S704 - only DIGITS
