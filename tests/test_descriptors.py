"""Programs count on getting the lowest descriptor that is free, and see which number it is."""

from __future__ import annotations

import pytest
from launching import PROGRAMS, bare, recorded


@pytest.mark.parametrize("calls", [False, True])
def test_a_recorded_program_gets_the_numbers_it_gets_alone(tmp_path, calls):
    program = PROGRAMS / "lowest_numbers.py"
    alone = bare(program)
    assert (alone.status, alone.stderr, len(alone.stdout.splitlines())) == (0, "", 5)
    assert recorded(tmp_path / "r.gtrace", program, calls=calls) == alone
