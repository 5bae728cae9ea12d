"""Which recordings are repeats of each other, and what to mind where variants are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

import pytest
from comparisons import LIGHT_RUN, contended, contended_in, recorded, variant
from timelines import EXACT_RUN, timeline

from gtrace.analysis.compare import Variant
from gtrace.analysis.measuring import measure
from gtrace.analysis.variants import Recorded, cautions, differing_settings, sort_variants
from gtrace.errors import UsageError


def sorted_names(*recordings):
    return [(one.variant.name, [path.name for path in one.paths]) for one in sort_variants(recordings)]


def test_names_that_differ_in_a_number_at_the_end_are_repeats():
    assert sorted_names(
        *(recorded(f"/r/{name}.gtrace") for name in ("old-1", "old-2", "new-1", "new-2"))
    ) == [
        ("old", ["old-1.gtrace", "old-2.gtrace"]),
        ("new", ["new-1.gtrace", "new-2.gtrace"]),
    ]


def test_recordings_that_would_all_be_repeats_are_variants():
    assert [name for name, _ in sorted_names(recorded("/r/run-1.gtrace"), recorded("/r/run-2.gtrace"))] == [
        "run-1",
        "run-2",
    ]


def test_recordings_of_other_interpreters_or_options_are_no_repeats():
    other = replace(EXACT_RUN, python_version="3.14.0")

    assert [
        name for name, _ in sorted_names(recorded("/r/x-1.gtrace"), recorded("/r/x-2.gtrace", run=other))
    ] == [
        "x-1",
        "x-2",
    ]
    assert len(sorted_names(recorded("/r/x-1.gtrace"), recorded("/r/x-2.gtrace", run=LIGHT_RUN))) == 2


def test_recordings_of_the_same_name_are_told_apart_by_their_folders():
    assert [
        name for name, _ in sorted_names(recorded("/a/before/app.gtrace"), recorded("/a/after/app.gtrace"))
    ] == [
        "before/app",
        "after/app",
    ]


def test_a_version_at_the_end_of_a_name_is_no_number_of_a_repeat():
    assert [name for name, _ in sorted_names(recorded("/r/py3.13.gtrace"), recorded("/r/py3.14.gtrace"))] == [
        "py3.13",
        "py3.14",
    ]


def test_given_names_decide():
    found = sorted_names(
        recorded("/r/a.gtrace", "slow"), recorded("/r/b.gtrace", "fast"), recorded("/r/c.gtrace", "slow")
    )

    assert found == [("slow", ["a.gtrace", "c.gtrace"]), ("fast", ["b.gtrace"])]


def test_one_variant_alone_has_nothing_to_be_compared_with():
    with pytest.raises(UsageError, match="one variant only"):
        sort_variants([recorded("/r/a.gtrace", "slow"), recorded("/r/b.gtrace", "slow")])


def test_the_typical_run_is_the_one_of_median_length():
    runs = [
        Recorded(PurePath(f"/r/a-{i}"), contended(1, wall=wall), "a") for i, wall in enumerate((30, 10, 20))
    ]
    first, _ = sort_variants([*runs, recorded("/r/b", "b")])

    assert first.typical_run == 2


def test_what_was_changed_between_the_variants_is_told():
    slow = replace(EXACT_RUN, switch_interval_s=0.0005, command=("python", "x.py", "--threads", "8"))

    assert differing_settings([variant("a", 10), Variant("b", (contended_in(slow, 10),))]) == [
        ("command", ("python workloads/example.py --threads 4", "python x.py --threads 8")),
        ("switch interval", ("5.00 ms", "500 µs")),
    ]


def test_a_run_that_failed_may_not_have_done_its_work():
    failed = Variant("a", (contended_in(replace(EXACT_RUN, exit_status=3), 10),))

    assert "a: exit status 3; it may not have done all its work." in cautions([failed, variant("b", 10)])


@pytest.mark.parametrize("run", [EXACT_RUN, LIGHT_RUN])
def test_what_all_variants_have_or_lack_is_no_caution(run):
    assert cautions([Variant(name, (contended_in(run, 10),) * 2) for name in "ab"]) == []


def test_a_machine_that_was_busier_for_one_variant_is_told():
    quiet, busy = (
        Variant(name, (measure(timeline(f"main 0-{ms} running f\nmain {ms}-100 preempted")),))
        for name, ms in (("quiet", 95), ("busy", 60))
    )

    assert any("quiet 5.0 %, busy 40 %" in note for note in cautions([quiet, busy]))
    assert not any("gave the core to others" in note for note in cautions([quiet, replace(quiet, name="b")]))


def test_much_unknown_time_makes_states_lower_bounds_and_that_is_told():
    found = Variant("a", (measure(timeline("main 0-90 running\nmain 90-100 unknown")),))

    assert any(
        note.startswith("a: 10 % of the threads' time is unknown") for note in cautions([found, found])
    )
    assert not any("unknown" in note for note in cautions([variant("b", 10), variant("c", 10)]))


def test_a_run_without_calls_is_not_like_one_with_them():
    assert any(
        note.startswith("light: no evidence of calls")
        for note in cautions([Variant("light", (contended_in(LIGHT_RUN, 10),)), variant("full", 10)])
    )
