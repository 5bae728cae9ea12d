"""The verdict: for each rule a run of which the answer is known, and one that just misses it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evidence_text import timeline_of
from hypothesis import given
from hypothesis import strategies as st
from timelines import EXACT_RUN, INFERRED_RUN, PID, timeline, with_pids

from gtrace.analysis import contention, facts, rules, verdict, verdict_gil
from gtrace.analysis.facts import find_facts
from gtrace.analysis.verdict import RULES, judge

FREE_RUN = replace(EXACT_RUN, free_threaded=True)
LIGHT = replace(EXACT_RUN, evidence=EXACT_RUN.evidence | {"calls": "none: left out by --light"})
UNSCHEDULED = replace(EXACT_RUN, evidence=EXACT_RUN.evidence | {"scheduler": "none: not allowed"})
UNPROVEN = 'reason="in Python code beside other threads; calls do not tell which one ran"'
HOGGED = """
main 0-10    running "loop (a.py:1)"
main 10-90   running fastlib.crunch
main 90-100  running "loop (a.py:1)"
w1   0-12    sleep
w1   12-90   gil_wait <- main
w1   90-100  sleep
"""


def with_native(made, prefix):
    """The same timeline, the threads whose names begin so being those of a native library."""
    kind = ["native" if name.startswith(prefix) else "python" for name in made.threads["name"]]
    return replace(made, threads=made.threads.assign(kind=kind))


def convoy_of(returns):
    """A thread that computes, and one that comes back from I/O so many times and each time waits 6 ms."""
    rows = []
    for begin in range(0, 50 * returns, 50):
        rows += [
            f'main {begin}-{begin + 46} running "crunch (a.py:1)"',
            f"main {begin + 46}-{begin + 47} gil_wait <- w1",
            f'main {begin + 47}-{begin + 50} running "crunch (a.py:1)"',
            f"w1 {begin}-{begin + 40} io_wait",
            f"w1 {begin + 40}-{begin + 46} gil_wait <- main",
            f"w1 {begin + 46}-{begin + 47} running",
            f"w1 {begin + 47}-{begin + 50} io_wait",
        ]
    return "\n".join(rows)


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
    "convoy": convoy_of(returns=6),
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
    "waiting": """
        main 0-40   running f
        main 40-100 sleep
        w1   0-40   native
        w1   40-100 lock_wait caller="work (a.py:1)" reason=queue""",
    "mixed": """
        main 0-40   running f
        main 40-100 sleep
        w1   0-80   native
        w1   80-100 lock_wait reason=queue""",
}


@pytest.mark.parametrize("code", KNOWN)
def test_a_run_of_which_the_answer_is_known_gets_it(code):
    assert judge(timeline(KNOWN[code])).code == code


def test_every_rule_has_a_run_of_which_the_answer_is_known():
    elsewhere = {"python_contended", "deadlock", "stuck", "other_processes"}
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
    assert "It waited 20% of the time, and others had its core 30%." in verdict.text


def test_what_native_threads_do_is_not_what_the_one_python_thread_does():
    """A pool of a library that is idle between its calls is no wait, and what it runs is told apart."""
    text = "main 0-80 blocked lib.query\nmain 80-100 running f\n" + "".join(
        f"pool-{n} 0-60 native\npool-{n} 60-100 blocked\n" for n in range(8)
    )
    found = judge(with_native(timeline(text), "pool-"))

    assert found.code == "single_threaded"
    assert "It waited 80% of the time. 8 threads of native libraries ran beside it, for 0.48 s" in found.text
    assert "5.00 of 2 cores were in use" in found.text


def test_what_processes_do_that_nobody_recorded_is_told_apart():
    text = "main 0-80 io_wait\nmain 80-100 running f\ngzip 0-80 native\nbash 0-40 blocked\nbash 40-80 native"
    found = judge(with_pids(with_native(timeline(text), ("gzip", "bash")), {"gzip": 71, "bash": 72}))
    assert found.code == "single_threaded"
    assert found.text.endswith(
        "It waited 80% of the time. It started 2 processes, which ran for 0.12 s in all."
    )
    assert dict(found.numbers)["cores in use"] == "0.20"


POOL = """
    main    0-100   lock_wait reason=condition caller="wait (a.py:1)"
    results 0-80    io_wait reason=pipe
    results 80-100  running
    tasks   0-100   lock_wait reason=queue caller="wait (a.py:1)"
    p1      0-60    {state}
    p1      60-100  blocked
    p2      0-60    {state}
    p2      60-100  blocked
"""


def test_what_other_processes_computed_is_not_told_as_a_wait_for_io():
    """A pool's own threads wait: its processes do the work, and nothing can be overlapped with that."""
    anew = with_pids(with_native(timeline(POOL.format(state="native")), "p"), {"p1": 71, "p2": 72})
    found = judge(anew)
    assert found.code == "other_processes"
    assert "2 of them ran for 0.12 s in all, the first one for 0.02 s" in found.text
    assert "is not recorded" in found.advice
    forked = with_pids(timeline(POOL.format(state="running")), {"p1": 71, "p2": 72})
    found = judge(replace(forked, run=replace(forked.run, pids=(PID, 71, 72))))
    assert found.code == "other_processes"
    assert "look at what their threads do" in found.advice
    assert dict(found.numbers)["cores in use"] == "1.40 of 2"


def test_that_other_processes_did_the_less_there_was_to_compute_is_said_beside_the_waits():
    """They ran for less than half of the time: the waits come first, and are not to be overlapped."""
    text = POOL.replace("lock_wait", "io_wait").replace("0-60", "0-20").replace("60-100", "20-100")
    pids = {"p1": 71, "p2": 72}
    found = judge(with_pids(with_native(timeline(text.format(state="native")), "p"), pids))
    assert found.code == "io_bound"
    assert found.text.endswith(
        "Meanwhile 2 other processes ran for 0.04 s in all, most of what was computed."
    )
    assert "More threads" not in found.advice
    one = text.replace("results", "main2").split("main2")[0].replace("0-100", "0-98") + "main 98-100 running"
    worker = "\n".join(line for line in text.format(state="native").split("\n") if " p" in line)
    found = judge(with_pids(with_native(timeline(f"{one}\n{worker}"), "p"), pids))
    assert found.code == "single_threaded"
    assert "asyncio" not in found.advice


def test_idle_threads_of_native_libraries_are_no_waits_of_the_program():
    text = KNOWN["computing"] + "".join(f"\npool-{n} 0-180 blocked" for n in range(8))
    assert judge(timeline(text)).code == "away"
    assert judge(with_native(timeline(text), "pool-")).code == "computing"


def test_a_convoy_takes_more_than_a_few_returns():
    assert judge(timeline(convoy_of(returns=2))).code != "convoy"


def peers(count, rounds):
    """Threads that all come back from I/O at once, and each then takes its turn with the GIL, 3 ms."""
    length = 40 + 3 * count
    rows = []
    for start in range(0, rounds * length, length):
        for n in range(count):
            back, turn = start + 40, start + 40 + 3 * n
            rows.append(f"client_{n} {start}-{back} io_wait")
            rows += [f"client_{n} {back}-{turn} gil_wait <- client_{n - 1}"] if n else []
            rows.append(f"client_{n} {turn}-{turn + 3} running f")
            rows += [f"client_{n} {turn + 3}-{start + length} io_wait"] if n + 1 < count else []
    return "\n".join(rows)


def test_io_threads_that_wait_for_each_other_are_no_convoy_and_none_of_them_is_called_the_cause():
    found = judge(timeline(peers(count=5, rounds=4)))
    assert found.code == "io_bound"
    assert "They waited for the GIL as well, 11% of their time." in found.text
    assert "client_" not in found.text


def test_a_convoy_behind_several_threads_that_compute_names_them():
    lines = []
    for begin in range(0, 300, 50):
        holder, rest = ("main", "w2") if begin % 100 else ("w2", "main")
        lines += [
            f"{holder} {begin}-{begin + 47} running f",
            f"{holder} {begin + 47}-{begin + 50} gil_wait <- w1",
            f"{rest} {begin}-{begin + 50} gil_wait f <- {holder}",
            f"w1 {begin}-{begin + 36} io_wait",
            f"w1 {begin + 36}-{begin + 47} gil_wait <- {holder}",
            f"w1 {begin + 47}-{begin + 50} running",
        ]
    found = find_facts(timeline("\n".join(lines)))
    assert found.convoy.holders == ("w2", "main")
    assert found.convoy.for_others_s == pytest.approx(found.convoy.waited_s)
    alone = find_facts(timeline(convoy_of(returns=6)))
    assert alone.convoy.holders == ("main",)
    said = verdict_gil.convoy(replace(alone, convoy=replace(alone.convoy, holders=found.convoy.holders)))
    assert "because w2 and main keep it for a whole switch interval" in said.text
    assert said.advice.startswith("Move the computing threads to a process")


def test_threads_that_compute_and_wait_for_each_other_come_before_one_that_waits_for_io_as_well():
    """A pool's helper pays for each return as well, but what its workers lose to each other is more."""
    lines = [convoy_of(returns=6)]
    for number in range(2):
        for begin in range(0, 300, 12):
            runs = f"w{number + 2} {begin}-{begin + 1} native"
            lines += [runs, f"w{number + 2} {begin + 1}-{begin + 12} gil_wait <- main"]
    assert judge(timeline("\n".join(lines))).code == "gil_bound"


def test_threads_that_wait_for_the_gil_more_than_they_wait_for_io_by_nature_are_no_convoy():
    """Each handles one request: little I/O, and much computing that waits for the GIL."""
    lines = [f"main 0-{120 * 7} running f"]
    for number in range(12):
        begin = number * 70
        lines += [
            f"w{number} {begin}-{begin + 2} io_wait",
            f"w{number} {begin + 2}-{begin + 62} gil_wait <- main",
            f"w{number} {begin + 62}-{begin + 70} running f gil=holds",
        ]
    text = "\n".join(lines)
    assert find_facts(timeline(text)).convoy is None


def test_the_gil_is_blamed_on_what_others_waited_for_not_on_who_held_it_longest():
    """An import before the threads began held it for longer, and stood in nobody's way."""
    later = re.sub(r"(\d+)-(\d+)", lambda at: f"{int(at[1]) + 10}-{int(at[2]) + 10}", KNOWN["gil_bound"])
    found = judge(timeline('main 0-10 running "<module> (big.py:1)"\n' + later))
    assert found.code == "gil_bound"
    assert found.text.endswith("for each other. 50% of that was for g.")
    named_by_thread = judge(timeline(re.sub(r" [fg]\b", "", later), LIGHT))
    assert named_by_thread.text.endswith("50% of that was for main.")


LIBRARY = "/usr/lib/python3.12"


@pytest.mark.parametrize(
    ("function", "chain", "says"),
    [
        (
            "builtins.sum",
            "main (/s/a.py:1);compute (/s/a.py:3);builtins.sum",
            "builtins.sum in compute (a.py:3)",
        ),
        ("builtins.sum", "", "builtins.sum"),
        (
            f"dumps ({LIBRARY}/json/__init__.py:9)",
            f"work (/s/a.py:3);dumps ({LIBRARY}/json/__init__.py:9)",
            "dumps (__init__.py:9) in work (a.py:3)",
        ),
        (
            "re.Pattern.match",
            f"f ({LIBRARY}/site-packages/x/y.py:3);match ({LIBRARY}/re/__init__.py:163);re.Pattern.match",
            "re.Pattern.match in f (y.py:3)",
        ),
        ("g (/s/a.py:9)", "f (/s/a.py:1);g (/s/a.py:9)", "g (a.py:9)"),
    ],
)
def test_a_function_that_is_not_the_programs_is_blamed_with_the_line_of_the_program_that_called_it(
    function, chain, says
):
    text = re.sub(r" [fg]\b", "", KNOWN["gil_bound"])
    found = judge(timeline(text.replace("running", f'running "{function}" chain="{chain}"')))
    assert found.text.endswith(f"for each other. 100% of that was for {says}.")
    hogged = judge(timeline(HOGGED.replace("fastlib.crunch", f'"{function}" chain="{chain}"')))
    native = "(" not in function
    assert hogged.text.startswith(f"{says} keeps the GIL" if native else f"C code called by {says} keeps")


def test_a_function_called_from_many_places_is_blamed_without_one_of_them():
    rows = []
    for turn, name in enumerate("abc"):
        chain = f'chain="{name} (/s/a.py:{turn});builtins.sum"'
        rows += [f"w{n} {turn * 5}-{turn * 5 + 5} gil_wait <- w{turn}" for n in range(3) if n != turn]
        rows += [f"w{turn} {turn * 5}-{turn * 5 + 5} running builtins.sum {chain}"]
    assert "100% of that was for builtins.sum." in judge(timeline("\n".join(rows))).text


def taking_turns(count, functions, name="CP Server Thread-{}"):
    """Threads of a pool that hold the GIL in turn, and others that wait; each turn in another function."""
    rows = []
    for turn in range(count):
        begin, function = turn * 5, functions[turn % len(functions)]
        rows += [
            f'"{name.format(n)}" {begin}-{begin + 5} ' + (f"running {function}" if n == turn else "gil_wait")
            for n in range(count)
        ]
    return "\n".join(rows)


def test_where_no_thread_accounts_for_most_the_pool_is_named():
    found = judge(timeline(taking_turns(4, [""]), LIGHT))
    assert found.text.endswith("100% of that was for the 4 threads CP Server Thread-*.")
    assert judge(timeline(taking_turns(4, [""], name="{}th"), LIGHT)).text.endswith("the 4 threads *th.")
    lone = taking_turns(4, [""]).replace("Thread-0", "Thread-a").replace("Thread-1", "Thread-b")
    assert judge(timeline(lone, LIGHT)).text.endswith("50% of that was for the 2 threads CP Server Thread-*.")


def test_a_function_that_accounts_for_little_is_not_called_the_one_to_move():
    few = judge(timeline(taking_turns(8, ["f", "g", "f", "h", "i", "j", "k", "l"])))
    assert few.text.endswith(
        " No function stands out: the one with most of that, f, has 25%; 100% was for the 8 threads"
        " CP Server Thread-*."
    )
    assert "hot function" not in few.advice
    one = judge(timeline(taking_turns(8, ["f"])))
    assert one.text.endswith("100% of that was for f.")
    assert "Move the hot function to processes" in one.advice


@pytest.mark.parametrize(
    ("beside", "says"),
    [
        ("sleep", "because other programs"),
        ("native", "more of them want to run at once than there are cores"),
    ],
)
def test_who_had_the_cores_is_told(beside, says):
    """Two cores: beside two threads that run the others are too many, beside one that sleeps they are not."""
    text = f"main 0-100 native\nw1 0-100 {beside}\nw2 0-80 preempted gil=away\nw2 80-100 sleep"
    found = judge(timeline(text))
    assert found.code == "starved"
    assert says in found.text


def test_waits_behind_a_holder_off_the_core_are_the_fault_of_the_machine():
    """The same turns: a holder that runs is the GIL's limit, one that lost its core is the machine's."""
    text = KNOWN["gil_bound"]
    off = text.replace("running f", "preempted f").replace("running g", "preempted g")
    assert (judge(timeline(text)).code, judge(timeline(off)).code) == ("gil_bound", "starved")
    assert "others waited 0.02 s behind them" in judge(timeline(off)).text


def test_a_busy_machine_does_not_hide_what_the_gil_costs_besides():
    """Its threads lack a core for longer than twice as long as they wait for one that runs."""
    text = "main 0-70 running f\nmain 70-100 sleep\nw1 0-70 gil_wait <- main\nw1 70-100 sleep"
    off = "".join(f"\nw{n} 0-60 preempted gil=away\nw{n} 60-100 sleep" for n in (2, 3, 4))
    found = judge(timeline(text + off))
    assert found.code == "starved"
    assert found.text.endswith("For the GIL of threads that ran they waited 0.07 s.")
    assert judge(timeline(text + off.replace("60", "30"))).code != "starved"


def test_a_function_that_is_the_programs_own_is_named_once():
    text = KNOWN["away"].replace("blocked", 'blocked "work (a.py:1)" caller="work (a.py:1)"')
    assert "above all in work (a.py:1): for what" in judge(timeline(text, LIGHT)).text


def test_a_stall_that_nobody_waits_for_is_no_standstill():
    harmless = KNOWN["stalled"].replace("gil_wait <- main", "sleep")
    assert judge(timeline(harmless)).code != "stalled"


def test_without_calls_waits_of_unknown_kind_are_not_called_locks():
    """The agent sees that a thread waits for a lock, which is also what a queue or an event is made of."""
    text = KNOWN["lock_bound"].replace('caller="work (a.py:1)" ', "").replace("rlock", "lock")
    found = judge(timeline(text, LIGHT))
    assert found.code == "waiting"
    assert "50% for locks, queues or events" in found.text
    assert "--light" in found.advice


def test_where_calls_are_known_the_call_that_blocks_is_named_and_nobody_is_told_to_record_calls():
    text = KNOWN["away"].replace("blocked", 'blocked sqlite3.execute caller="work (lib/a.py:1)"')
    found = judge(timeline(text))
    assert "above all in sqlite3.execute in work (a.py:1)" in found.text
    assert "--light" not in found.advice
    assert "--light" in judge(timeline(KNOWN["away"], LIGHT)).advice


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
    assert (hog.thread, hog.function) == ("main", "fastlib.crunch")
    assert hog.waited_s == pytest.approx(0.078)
    assert hog.longest_s == pytest.approx(0.1)
    assert "fastlib.crunch keeps the GIL" in judge(timeline(HOGGED)).text


def test_a_longer_hold_for_which_nobody_waited_is_not_the_hog():
    quiet = "main 100-110 sleep\nmain 110-400 running quiet.crunch\nw1 100-400 sleep"
    hog = find_facts(timeline(HOGGED + quiet)).hog
    assert (hog.function, hog.longest_s) == ("fastlib.crunch", pytest.approx(0.1))


def test_a_python_function_lets_go_when_asked_and_so_it_is_c_code_in_it_that_does_not():
    in_python = HOGGED.replace("fastlib.crunch", '"crunch (lib/a.py:9)"')
    found = judge(timeline(in_python))
    assert found.code == "gil_hogged"
    assert found.text.startswith("C code called by crunch (a.py:9) keeps the GIL: main held it for up to")
    # nor is it known that the holder ran all the time
    assert judge(timeline(in_python, UNSCHEDULED)).code != "gil_hogged"
    assert judge(timeline(HOGGED, UNSCHEDULED)).code == "gil_hogged"


def test_a_holder_that_lost_its_core_did_not_refuse_to_let_go():
    call = "fastlib.crunch"
    off = f"main 10-14 running {call}\nmain 14-86 preempted {call}\nmain 86-90 running {call}"
    text = HOGGED.replace("main 10-90   running fastlib.crunch", off)
    assert find_facts(timeline(text)).hog is None
    assert judge(timeline(text)).code == "starved"


def test_a_hog_that_lost_its_core_now_and_then_is_one_still():
    """Two threads waited for it for 24 ms while it ran, and for 28 ms while it did not."""
    waits = "\n".join(f"{name} 0-52 gil_wait <- main\n{name} 52-60 sleep" for name in ("w1", "w2"))
    text = f"main 0-24 running fastlib.crunch\nmain 24-52 preempted fastlib.crunch\nmain 52-60 sleep\n{waits}"
    assert find_facts(timeline(text)).hog.waited_s == pytest.approx(0.048)
    assert judge(timeline(text)).code == "gil_hogged"


def test_without_calls_a_hog_is_c_code_of_which_the_name_is_not_known():
    found = judge(timeline(HOGGED.replace("fastlib.crunch", ""), LIGHT))
    assert found.text.startswith("C code keeps the GIL: main held it for up to 100 ms")
    assert "--light" in found.advice


EDGES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=12)


@given(EDGES, st.lists(st.integers(0, 80), max_size=10))
def test_time_since_is_the_sum_over_all_edges_before(edges, times):
    found = contention._time_since(
        np.sort(np.array([e for e, _ in edges], np.int64)), np.array(times, np.int64)
    )
    assert found.tolist() == [sum(max(time - edge, 0) for edge, _ in edges) for time in times]


def test_the_lock_named_is_the_one_most_time_was_spent_on():
    assert "lock in work (a.py:1)" in judge(timeline(KNOWN["lock_bound"])).text


def with_locks(text, *locks):
    """The timeline of ``text``, with where locks were created: address, since when in ms, where."""
    found = timeline(text)
    rows = [(found.intervals["pid"].iloc[0], lock, since * 1_000_000, where) for lock, since, where in locks]
    return replace(found, locks=pd.DataFrame(rows, columns=["pid", "lock", "since_ns", "where"]))


ONE_LOCK = """
    main 0-100  running f
    w1   0-90   lock_wait caller="work (a.py:1)" reason=lock lock=8 <- main
    w1   90-100 running
    w2   0-60   lock_wait caller="work (a.py:1)" reason=lock lock=8 <- main
    w2   60-90  lock_wait caller="work (a.py:2)" reason=lock lock=9 <- w1
    w2   90-100 sleep"""


def test_of_the_lock_waited_for_most_it_is_told_where_it_was_created_and_who_had_it():
    found = with_locks(ONE_LOCK, (8, -5, "setup (/s/a.py:7)"), (9, -5, "other (/s/a.py:9)"))
    text = judge(found).text
    assert "83% of that was for one lock, created in setup (a.py:7); mostly main had it before." in text


def test_a_lock_whose_address_was_used_again_meanwhile_has_no_place():
    found = with_locks(
        ONE_LOCK.replace("8 <- main", "8"), (8, -5, "setup (/s/a.py:7)"), (8, 0, "b (/s/a.py:8)")
    )
    assert "created in b (a.py:8)." in judge(found).text
    later = ONE_LOCK.replace("w2   0-60", "w2   10-60").replace("8 <- main", "8")
    found = with_locks(later, (8, -5, "setup (/s/a.py:7)"), (8, 5, "b (/s/a.py:8)"))
    assert "created" not in judge(found).text


def test_where_nothing_tells_one_lock_from_another_none_is_singled_out():
    assert "one lock" not in judge(timeline(KNOWN["lock_bound"])).text


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
    assert rules.MOSTLY == 0.5
    assert 0 < rules.NOTICED < verdict_gil.CONTENDED < rules.MOSTLY < verdict.THIN < 1
