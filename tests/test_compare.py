"""Comparisons: timelines as text in, named differences out."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from comparisons import FREE_RUN, LIGHT_RUN, contended, recorded, variant
from hypothesis import given
from hypothesis import strategies as st
from timelines import EXACT_RUN, INFERRED_RUN, timeline

from gtrace.analysis.compare import Spread, Variant, compare, noise_of, pool_labels
from gtrace.analysis.compared import as_data
from gtrace.analysis.measures import MEASURES, NO_GIL
from gtrace.analysis.measuring import measure
from gtrace.analysis.variants import cautions, sort_variants
from gtrace.model import State

WAITS_MS = st.sampled_from(range(5, 100, 9))


def named(before, after):
    (comparison,) = compare([before, after])
    return [difference.text for difference in comparison.named]


def test_a_difference_beyond_the_noise_is_named_with_its_numbers():
    before, after = variant("before", 60, 62, 61), variant("after", 20, 21, 22)

    assert named(before, after)[:2] == [
        "GIL wait: 61.0 ms → 21.0 ms (−66 %), noise ±5.0 %, most of it in w-1",
        "sleep: 39.0 ms → 79.0 ms (+103 %), noise ±7.9 %, most of it in w-1",
    ]


def test_a_difference_within_the_noise_is_not_named():
    (comparison,) = compare([variant("before", 60, 20, 41), variant("after", 22, 61, 38)])

    assert comparison.named == ()
    assert comparison.nothing_named == "no difference exceeds the noise"


def test_runs_that_overlap_are_not_told_apart_however_small_the_noise():
    before, after = Spread((1.0,) * 20 + (3.0,)), Spread((2.0,) * 20 + (3.1,))
    assert noise_of(before, after) < 1.0
    (comparison,) = compare(
        [
            Variant("a", tuple(contended(20 * v) for v in before.values)),
            Variant("b", tuple(contended(20 * v) for v in after.values)),
        ]
    )

    assert "gil_wait" not in [d.measure.key for d in comparison.named]


def test_wall_time_comes_first_then_states_then_rates():
    before, after = variant("before", 60, 60, 61, wall=100), variant("after", 10, 10, 11, wall=80)
    (comparison,) = compare([before, after])
    keys = [difference.measure.key for difference in comparison.named]

    assert keys == [
        "wall",
        "gil_wait",
        "sleep",
        "running",
        "longest_gil_wait",
        "held",
        "longest_hold",
    ]


def test_a_wall_time_that_hardly_changed_is_no_headline():
    (comparison,) = compare([variant("before", 60, wall=100), variant("after", 10, wall=98)])

    assert comparison.named[0].measure.key == "gil_wait"
    assert "wall" in [difference.measure.key for difference in comparison.named]


def test_with_one_run_each_nothing_is_said_to_exceed_the_noise():
    (comparison,) = compare([variant("before", 60), variant("after", 20)])

    assert not comparison.has_noise
    assert [d.exceeds_noise for d in comparison.differences] == [None] * len(comparison.differences)
    assert comparison.named[0].text == "GIL wait: 60.0 ms → 20.0 ms (−67 %), most of it in w-1"
    assert any(
        "no telling a difference from noise" in note
        for note in cautions([comparison.before, comparison.after])
    )


def test_a_single_run_is_judged_by_the_noise_of_the_others_and_that_is_said():
    before, after = variant("before", 60), variant("after", 20, 21, 20, 21)
    (comparison,) = compare([before, after])

    assert "gil_wait" in [d.measure.key for d in comparison.named]
    assert "before: one recording only; the noise is that of the others." in cautions([before, after])


def test_a_difference_not_worth_a_word_is_not_named_however_sure():
    assert named(variant("a", 60, 60, 60), variant("b", 60.5, 60.5, 60.5)) == []


def test_few_noisy_repeats_of_the_same_thing_seldom_name_a_difference():
    """Three runs against three of the same distribution: what is named is named by chance."""
    chance = random.Random(7)

    def draw():
        return Spread(tuple(sorted(chance.gauss(100, 10) for _ in range(3))))

    pairs = [(draw(), draw()) for _ in range(2000)]
    by_chance = sum(
        abs(a.median - b.median) > noise_of(a, b) and (a.high < b.low or b.high < a.low) for a, b in pairs
    )

    assert by_chance / len(pairs) < 0.03


@given(st.lists(WAITS_MS, min_size=1, max_size=5))
def test_a_thing_compared_with_itself_has_no_difference(waits):
    (comparison,) = compare([variant("a", *waits), variant("b", *waits)])

    assert comparison.named == ()
    assert comparison.verdict_change == ""
    assert all(difference.amount == 0 for difference in comparison.differences)


@given(
    st.data(),
    st.lists(WAITS_MS, min_size=2, max_size=4),
    st.lists(WAITS_MS, min_size=1, max_size=4),
)
def test_the_order_of_repeats_changes_nothing(data, before, after):
    shuffled = data.draw(st.permutations(before)), data.draw(st.permutations(after))

    assert named(variant("a", *before), variant("b", *after)) == named(
        variant("a", *shuffled[0]), variant("b", *shuffled[1])
    )


@given(st.lists(WAITS_MS, min_size=1, max_size=4), st.lists(WAITS_MS, min_size=1, max_size=4))
def test_the_same_differences_are_named_in_both_directions(before, after):
    def keys(first, second):
        (comparison,) = compare([first, second])
        return {difference.measure.key for difference in comparison.named}

    assert keys(variant("a", *before), variant("b", *after)) == keys(
        variant("b", *after), variant("a", *before)
    )


def test_a_verdict_that_changed_in_all_runs_is_named():
    before, after = variant("before", 90, 91), variant("after", 1, 2)
    (comparison,) = compare([before, after])

    assert comparison.verdict_change == "verdict: gil_hogged → computing"


def test_verdicts_that_some_runs_share_are_no_change():
    (comparison,) = compare([variant("before", 90, 1), variant("after", 1, 2)])

    assert comparison.verdict_change == ""


def test_without_a_gil_its_measures_are_not_compared_and_that_is_said():
    free = Variant("free", (measure(timeline("main 0-100 running f\nw-1 0-100 running g", FREE_RUN)),))
    (comparison,) = compare([variant("gil", 50), free])
    silent = {m.key: why for m, why in comparison.not_comparable}

    assert silent.keys() == {"gil_wait", "stalled", "held", "handoffs", "longest_hold", "longest_gil_wait"}
    assert silent["held"] == f"free: {NO_GIL}"
    assert any(
        note.startswith("free: free-threaded, there is no GIL")
        for note in cautions([variant("gil", 50), free])
    )
    assert "cores" in [d.measure.key for d in comparison.differences]


def test_two_variants_without_a_gil_are_compared_by_the_rest():
    free = Variant("free", (measure(timeline("main 0-100 running f", FREE_RUN)),))
    (comparison,) = compare([free, replace(free, name="other")])

    assert {why for _, why in comparison.not_comparable} == {NO_GIL}
    assert cautions([free, replace(free, name="other")])[0].startswith("One recording of each")


@pytest.mark.parametrize(
    ("source", "unknown"),
    [
        ("gil", {"cores", "running", "native", "gil_wait", "lock_wait", "blocked", "stalled", "held",
                 "handoffs", "longest_hold", "longest_gil_wait"}),
        ("calls", set()),
        ("scheduler", {"cores", "stalled", "preempted"}),
    ],
)  # fmt: skip
def test_what_a_missing_source_would_tell_is_not_known(source, unknown):
    run = replace(EXACT_RUN, evidence={**EXACT_RUN.evidence, source: "none: not recorded"})
    known = replace(timeline("main 0-100 running f", run), handoffs=3)
    figures = measure(known).figures

    assert {key for key, figure in figures.items() if figure.value is None} == unknown
    assert all("not recorded" in figures[key].why for key in unknown)


def test_without_calls_what_is_blocked_may_be_a_wait_for_io_or_a_sleep():
    figures = measure(timeline("main 0-30 sleep\nmain 30-40 running\nmain 40-100 blocked", LIGHT_RUN)).figures

    assert (figures["sleep"].value, figures["sleep"].more) == (0.03, 0.06)
    assert (figures["io_wait"].value, figures["io_wait"].more) == (0.0, 0.06)
    assert (figures["lock_wait"].value, figures["lock_wait"].more) == (0.0, 0.0)


def test_locks_are_known_where_the_agent_saw_locks_only():
    run = replace(EXACT_RUN, evidence={**EXACT_RUN.evidence, "gil": "none: locks only: why"})

    assert measure(timeline("main 0-100 lock_wait", run)).figures["lock_wait"].value == 0.1


def test_calls_that_were_lost_before_a_time_are_not_counted_as_none():
    known = replace(timeline("main 0-100 running"), calls_known_from=5)

    assert measure(known).figures["lost"].value is None


def test_a_run_of_which_nobody_saw_the_end_has_no_wall_time():
    found = measure(timeline("main 0-100 running f", replace(EXACT_RUN, exit_status=None)))

    assert found.figures["wall"].value is None
    assert "a: nobody saw the end of a run; its wall time is not known." in cautions([Variant("a", (found,))])


def test_a_run_without_threads_tells_nothing_of_them():
    empty = timeline("main 0-100 running")
    empty = replace(empty, threads=empty.threads.iloc[:0], intervals=empty.intervals.iloc[:0])
    found = measure(empty)
    (comparison,) = compare([Variant("a", (found,)), Variant("b", (found,))])

    assert {d.measure.key for d in comparison.differences} == {"wall", "threads", "lost"}
    assert found.figures["gil_wait"].why == "nothing was recorded of any thread"
    assert json.dumps(as_data([], [comparison]))


def test_threads_are_matched_by_name_with_their_numbers_folded():
    four = measure(
        timeline("\n".join(f'"Thread-{i} (work)" 0-10 sleep' for i in range(4)) + "\nmain 0-10 running")
    )
    one = measure(timeline('"Thread-7 (work)" 0-20 sleep\nmain 0-20 running'))
    (comparison,) = compare([Variant("four", (four,)), Variant("one", (one,))])

    assert pool_labels([comparison.before, comparison.after]) == {
        "Thread-* (work)": "Thread-* (work)",
        "main": "main",
    }
    sleep = next(d for d in comparison.differences if d.measure.key == "sleep")
    assert (sleep.before.median, sleep.after.median, sleep.pool) == (0.04, 0.02, "Thread-* (work)")


def test_a_thread_that_is_alone_in_every_run_keeps_its_name():
    assert pool_labels([variant("a", 10), variant("b", 20)])["w-*"] == "w-1"


def test_what_is_unknown_could_be_any_state():
    found = measure(timeline("main 0-60 running\nmain 60-100 unknown"))

    assert found.figures["gil_wait"].more == pytest.approx(0.04)
    assert found.figures["unknown"].more == 0
    assert found.figures["cores"].more == pytest.approx(0.4)


def test_the_data_has_every_measure_and_every_difference():
    found = sort_variants(
        [recorded("/r/a-1", "a"), recorded("/r/a-2", "a"), recorded("/r/b", "b", INFERRED_RUN)]
    )
    data = json.loads(json.dumps(as_data(found, compare([one.variant for one in found])), allow_nan=False))

    assert data["version"] == 1
    assert set(data) == {"version", "variants", "comparisons", "notes"}
    first, last = data["variants"]
    assert set(first["measures"]) == {m.key for m in MEASURES}
    assert first["measures"]["gil_wait"]["values"] == [0.01, 0.01]
    assert last["measures"]["gil_wait"]["median"] is None
    assert "not recorded" in last["measures"]["gil_wait"]["why"]
    assert first["pools"][1]["name"] == "w-1"
    assert set(first["pools"][1]["states_s"]) == {state.value for state in State}
    (comparison,) = data["comparisons"]
    assert (comparison["from"], comparison["to"]) == ("a", "b")
    told = {d["measure"] for d in comparison["differences"]}
    assert told | comparison["not_comparable"].keys() == {m.key for m in MEASURES}
    assert set(comparison["differences"][0]) == {
        "measure", "unit", "from", "to", "change", "relative", "noise", "exceeds_noise", "matters", "pool",
        "text",
    }  # fmt: skip
