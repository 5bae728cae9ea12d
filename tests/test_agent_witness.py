"""The agent against an independent witness of the same run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from agent_support import NATIVE, compile_c, environment, needs_gil

from gtrace.evidence.gil import GilEvents, GilKind, check_gil, holds, read_gil

# Each observer runs between the other's two looks at the clock, once per acquisition.
OBSERVER_NS = 2_000

pytestmark = needs_gil


@pytest.fixture(scope="module")
def witness(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("witness") / "witness.so"
    return compile_c(out, [NATIVE / "witness.c"], "-O2", "-shared", "-fPIC", "-ldl")


def clipped(table: pd.DataFrame, begin: int, end: int) -> int:
    return int((table["end_ns"].clip(begin, end) - table["start_ns"].clip(begin, end)).sum())


def gil_waits(evidence: GilEvents, tid: int) -> pd.DataFrame:
    events = evidence.events
    mine = events[(events["tid"] == tid) & events["kind"].isin([GilKind.GIL_WAIT, GilKind.GIL_ACQUIRE])]
    kind, time = mine["kind"].to_numpy(), mine["time_ns"].to_numpy()
    begin = np.flatnonzero(kind[:-1] == GilKind.GIL_WAIT)
    return pd.DataFrame({"start_ns": time[begin], "end_ns": time[begin + 1]})


@pytest.mark.parametrize("workload", ["cpu", "io", "mixed", "lock", "pool"])
def test_agent_and_witness_agree_within_one_percent(workload, witness, tmp_path):
    evidence_path, report = tmp_path / "gil.bin", tmp_path / "witness.txt"
    subprocess.run(
        [sys.executable, NATIVE / "witnessed.py", workload, evidence_path, report],
        env=environment(LD_PRELOAD=str(witness)),
        check=True,
        timeout=120,
    )
    evidence = read_gil(evidence_path)
    held = holds(evidence)
    first, *lines = report.read_text().splitlines()
    begin, end = map(int, first.split())
    assert len(lines) >= 4
    for tid, count, held_ns, waited_ns in (map(int, line.split()) for line in lines):
        mine = held[held["tid"] == tid]
        slack = count * OBSERVER_NS
        assert ((mine["start_ns"] > begin) & (mine["start_ns"] < end)).sum() == count
        assert clipped(mine, begin, end) == pytest.approx(held_ns, rel=0.01, abs=slack)
        assert clipped(gil_waits(evidence, tid), begin, end) == pytest.approx(waited_ns, rel=0.01, abs=slack)
    assert check_gil(evidence) == []
