"""The fold on evidence written as text: ``data/folds`` has a file a claim, evidence above intervals."""

from __future__ import annotations

from pathlib import Path

import pytest
from evidence_text import assert_says, timeline_of

FOLDS = Path(__file__).parent / "data" / "folds"
CASES = sorted(path.stem for path in FOLDS.glob("*.txt"))


@pytest.mark.parametrize("claim", CASES)
def test_fold(claim, tmp_path):
    evidence, between, intervals = (FOLDS / f"{claim}.txt").read_text("utf-8").partition("\n--\n")
    assert between, "a case has evidence, a line --, and intervals"
    assert_says(timeline_of(tmp_path, evidence), intervals)
