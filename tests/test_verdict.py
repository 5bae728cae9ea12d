"""The verdict: for each rule a run of which the answer is known, and one that just misses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_text import timeline_of
from hypothesis import given
from hypothesis import strategies as st
from timelines import EXACT_RUN, INFERRED_RUN, timeline

from gtrace.analysis import facts, verdict
from gtrace.analysis.facts import find_facts
from gtrace.analysis.verdict import RULES, judge

FREE_RUN = replace(EXACT_RUN, free_threaded=True)
UNPROVEN = 'reason="in Python code beside other threads; calls do not tell which one ran"'
HOGGED = """
main 0-10    running "loop (a.py:1)"
main 10-90   running fastlib.crunch
main 90-100  running "loop (a.py:1)"
w1   0-12    sleep
w1   12-90   gil_wait <- main
w1   90-100  sleep
"""

KNOWN = {
    "thin_evidence": """
        main 0-70   unknown
        main 70-100 running
        w1   0-70   unknown
        w1   70-100 sleep""",
    "single_threaded": "main 0-30 running f\nmain 30-100 sleep",
    "stalled": """
        main 0-80   running f
        main 80-100 stalled clib.block
        w1   0-80   sleep
        w1   80-100 gil_wait <- main""",
    "gil_hogged": HOGGED,
    "convoy": """
        main 0-45   running "crunch (a.py:1)"
        main 45-46  gil_wait <- w1
        main 46-95  running "crunch (a.py:1)"
        main 95-96  gil_wait <- w1
        main 96-100 running "crunch (a.py:1)"
        w1   0-40   io_wait
        w1   40-45  gil_wait <- main
        w1   45-46  running
        w1   46-87  io_wait
        w1   87-88  native
        w1   88-95  gil_wait <- main
        w1   95-96  running
        w1   96-100 io_wait""",
    "gil_bound": """
        main 0-5   running f
        main 5-10  gil_wait f <- w1
        main 10-15 running f
        main 15-20 gil_wait f <- w1
        w1 0-5     gil_wait g <- main
        w1 5-10    running g
        w1 10-15   gil_wait g <- main
        w1 15-20   running g""",
    "starved": """
        main 0-40   running f
        main 40-100 sleep
        w1   0-50   preempted gil=away
        w1   50-100 sleep""",
    "lock_bound": """
        main 0-40   running f
        main 40-100 sleep
        w1   0-90   lock_wait caller="work (a.py:1)" reason=lock
        w1   90-100 running
        w2   0-60   lock_wait caller="work (a.py:1)" reason=rlock
        w2   60-100 sleep""",
    "waiting_for_each_other": """
        main 0-40   running f
        main 40-100 sleep
        w1   0-90   lock_wait caller="work (a.py:1)" reason=queue
        w1   90-100 running
        w2   0-90   lock_wait caller="work (a.py:1)" reason=queue
        w2   90-100 sleep""",
    "io_bound": """
        main 0-40   running f
        main 40-100 io_wait
        w1   0-90   sleep
        w1   90-100 running""",
    "away": """
        main 0-40   running f
        main 40-100 blocked
        w1   0-90   blocked
        w1   90-100 running""",
    "native": """
        main 0-20   running f
        main 20-100 native
        w1   0-90   native
        w1   90-100 running""",
    "computing": """
        main 0-90   running f
        main 90-100 sleep
        w1   0-90   sleep
        w1   90-100 running g
        w1   100-180 running g
        main 100-180 lock_wait reason="thread join" """,
    "mixed": """
        main 0-40   running f
        main 40-100 sleep
        w1   0-60   native
        w1   60-100 lock_wait reason=queue""",
}


@pytest.mark.parametrize("code", KNOWN)
def test_a_run_of_which_the_answer_is_known_gets_it(code):
    assert judge(timeline(KNOWN[code])).code == code


def test_every_rule_has_a_run_of_which_the_answer_is_known():
    elsewhere = {"python_contended", "deadlock", "stuck"}
    assert {rule.__name__ for rule in RULES} - set(KNOWN) == elsewhere


def test_calls_alone_that_cannot_tell_who_ran_say_so():
    known = timeline(
        f"main 0-100 unknown f {UNPROVEN}\nw1 0-90 unknown g {UNPROVEN}\nw1 90-100 sleep", INFERRED_RUN
    )
    found = judge(known)
    assert found.code == "python_contended"
    assert "0.19 s" in found.text


def test_with_the_agent_nothing_is_left_to_doubt():
    known = timeline(f"main 0-100 unknown f {UNPROVEN}\nw1 0-90 unknown g {UNPROVEN}\nw1 90-100 sleep")
    assert judge(known).code != "python_contended"


@pytest.mark.parametrize("code", ["gil_bound", "gil_hogged"])
def test_without_a_gil_it_is_never_the_limit(code):
    text = KNOWN[code].replace("gil_wait", "running").replace("<- w1", "").replace("<- main", "")
    assert judge(timeline(text, FREE_RUN)).code == "computing"


def test_a_core_that_others_had_is_no_wait_of_one_thread_alone():
    verdict = judge(timeline("main 0-50 running f\nmain 50-80 preempted\nmain 80-100 sleep"))

    assert verdict.code == "single_threaded"
    assert "It waited 20% of the time, and other programs had its core 30%." in verdict.text


def test_threads_that_wait_for_the_gil_besides_are_not_told_that_it_is_no_limit():
    def short_waits(count):
        rows = [
            f"w1 {t}-{t + 3} io_wait\nw1 {t + 3}-{t + 4} gil_wait <- main" for t in range(0, 4 * count, 4)
        ]
        rest = f"w1 {4 * count}-120 io_wait"
        return judge(timeline("\n".join(["main 0-50 running f\nmain 50-120 io_wait", *rows, rest])))

    assert short_waits(10).code == short_waits(28).code == "io_bound"
    assert short_waits(10).text.endswith("The GIL is not the limit.")
    assert short_waits(28).text.endswith("They waited for the GIL as well, 12% of their time.")


def test_a_recording_without_threads_is_thin_evidence(tmp_path):
    found = judge(timeline_of(tmp_path, "process\nstop 10"))
    assert found.code == "thin_evidence"


def test_unknown_time_that_is_surely_python_code_is_not_thin_evidence():
    known = timeline(f"main 0-80 unknown f {UNPROVEN}\nmain 80-100 sleep\nw1 0-100 sleep", INFERRED_RUN)
    assert judge(known).code != "thin_evidence"


def test_waits_for_the_end_of_threads_count_for_nothing():
    """One thread computes, its starter waits for it: the run computes."""
    known = timeline('main 0-100 lock_wait reason="thread join"\nw1 0-100 running f')
    assert judge(known).code == "computing"
    assert find_facts(known).active == pytest.approx(0.1)


def test_a_long_hold_for_which_nobody_waited_is_not_to_blame():
    """Eight threads take fair turns later: each waits for seven others, and none of them hogs."""
    lanes = [f"w{i}" for i in range(8)]
    lines = ["main 0-200 running fastlib.crunch", "main 200-600 sleep"]
    for number, name in enumerate(lanes):
        lines.append(f"{name} 0-200 sleep")
        for turn in range(80):
            begin = 200 + turn * 5
            state = "running f" if turn % 8 == number else f"gil_wait f <- w{turn % 8}"
            lines.append(f"{name} {begin}-{begin + 5} {state}")
    found = judge(timeline("\n".join(lines)))
    assert (found.code, find_facts(timeline("\n".join(lines))).hog) == ("gil_bound", None)


def test_the_hog_is_the_call_that_others_waited_for():
    hog = find_facts(timeline(HOGGED)).hog
    assert (hog.thread, hog.function, hog.is_native) == ("main", "fastlib.crunch", True)
    assert hog.waited_s == pytest.approx(0.078)
    assert hog.longest_s == pytest.approx(0.1)
    assert "fastlib.crunch keeps the GIL" in judge(timeline(HOGGED)).text


def test_a_longer_hold_for_which_nobody_waited_is_not_the_hog():
    quiet = "main 100-110 sleep\nmain 110-400 running quiet.crunch\nw1 100-400 sleep"
    hog = find_facts(timeline(HOGGED + quiet)).hog
    assert (hog.function, hog.longest_s) == ("fastlib.crunch", pytest.approx(0.1))


def test_a_python_function_lets_go_when_asked_and_is_no_hog():
    assert judge(timeline(HOGGED.replace("fastlib.crunch", '"crunch (a.py:9)"'))).code != "gil_hogged"


EDGES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=12)


@given(EDGES, st.lists(st.integers(0, 80), max_size=10))
def test_time_since_is_the_sum_over_all_edges_before(edges, times):
    found = facts._time_since(np.sort(np.array([e for e, _ in edges], np.int64)), np.array(times, np.int64))
    assert found.tolist() == [sum(max(time - edge, 0) for edge, _ in edges) for time in times]


def test_the_lock_named_is_the_one_most_time_was_spent_on():
    assert "lock in work (a.py:1)" in judge(timeline(KNOWN["lock_bound"])).text


def test_the_text_of_a_verdict_has_the_numbers_it_rests_on():
    found = judge(timeline(KNOWN["gil_bound"]))
    assert "0.02 s for each other" in found.text
    assert dict(found.numbers)["cores in use"] == "1.00 of 2"


def test_shares_are_of_active_time_and_add_up():
    known = find_facts(timeline(KNOWN["mixed"]))
    assert sum(known.share(state) for state in known.state) == pytest.approx(1)


def test_files_are_named_without_their_folders():
    assert facts.brief("f (/home/a (b)/c.py:3)") == "f (c.py:3)"
    assert facts.brief("time.sleep") == "time.sleep"


@pytest.mark.parametrize("code", KNOWN)
def test_every_verdict_says_what_was_seen_and_what_to_do(code):
    found = judge(timeline(KNOWN[code]))
    assert found.text.endswith(".")
    assert found.advice.endswith(".")
    assert found.numbers


def test_the_limits_are_those_the_docstrings_speak_of():
    assert verdict.MOSTLY == 0.5
    assert 0 < verdict.NOTICED < verdict.CONTENDED < verdict.MOSTLY < verdict.THIN < 1
