"""Limits: what may be asked for, what holds, what is broken, and what cannot be told and so does not pass."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timelines import EXACT_RUN, timeline

from gtrace.analysis.checks import (
    VERDICT_NEEDS,
    VERDICTS,
    Check,
    Status,
    check_bound,
    check_verdict,
    parse_verdict,
)
from gtrace.analysis.limits import BY_OPTION, LIMITS, Form, parse_bound
from gtrace.analysis.measuring import measure
from gtrace.errors import UsageError
from gtrace.export.checks import annotation, inert, junit_xml
from gtrace.model import Source, State

RUN = """
main 0-100 running f
w1   0-30  gil_wait g <- main
w1   30-95 sleep
w1   95-100 stalled h
"""
FREE_RUN = replace(EXACT_RUN, free_threaded=True)


def without(*sources):
    return replace(EXACT_RUN, evidence={**EXACT_RUN.evidence, **dict.fromkeys(sources, "none: not recorded")})


def check(option, text, runs=RUN, *, baseline=(), run=EXACT_RUN):
    bound = parse_bound(BY_OPTION[option], text)
    runs, baseline = ([r] if isinstance(r, str) else r for r in (runs, baseline))
    return check_bound(
        bound, [measure(timeline(r, run)) for r in runs], [measure(timeline(b)) for b in baseline]
    )


# ---- what may be asked for --------------------------------------------------------------------------


def test_every_state_has_a_limit():
    assert {f"--max-{state.value.replace('_', '-')}" for state in State} <= BY_OPTION.keys()


@pytest.mark.parametrize(
    ("option", "text", "form", "value"),
    [
        ("--max-gil-wait", "20%", Form.SHARE, 0.2),
        ("--max-gil-wait", "0%", Form.SHARE, 0.0),
        ("--max-stalled", "50ms", Form.AMOUNT, 0.05),
        ("--max-stalled", "50 ms", Form.AMOUNT, 0.05),
        ("--max-stalled", "1.5s", Form.AMOUNT, 1.5),
        ("--max-stalled", "200us", Form.AMOUNT, 200e-6),
        ("--max-stalled", "200µs", Form.AMOUNT, 200e-6),
        ("--max-stalled", ".5s", Form.AMOUNT, 0.5),
        ("--max-wall", "+10%", Form.CHANGE_SHARE, 0.1),
        ("--max-wall", "-5%", Form.CHANGE_SHARE, -0.05),
        ("--max-wall", "+50ms", Form.CHANGE_AMOUNT, 0.05),
        ("--min-cores", "1.5", Form.AMOUNT, 1.5),
        ("--min-cores", "-10%", Form.CHANGE_SHARE, -0.1),
        ("--max-handoffs", "1000/s", Form.AMOUNT, 1000),
        ("--max-handoffs", "1000", Form.AMOUNT, 1000),
        ("--max-lost", "0", Form.AMOUNT, 0),
    ],
)
def test_a_limit_is_a_share_an_amount_or_a_change(option, text, form, value):
    bound = parse_bound(BY_OPTION[option], text)

    assert (bound.form, bound.value) == (form, pytest.approx(value))


@pytest.mark.parametrize(
    ("option", "text"),
    [("--max-wall", text) for text in (
        "", " ", "20", "20%", "abc", "1e3s", "nan", "inf", "+", "%", "50 m s", "+-5%", "-100%", "٣s",
        "5s\n6s", "1,5s",
    )] + [
        ("--max-gil-wait", "101%"), ("--max-gil-wait", "20"), ("--min-cores", "50%"), ("--min-cores", "1s"),
        ("--max-lost", "5%"), ("--max-handoffs", "5ms"), ("--max-threads", "2s"),
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_what_would_be_one(option, text):
    with pytest.raises(UsageError, match=f"^not a limit: {option} {re.escape(text)}: say "):
        parse_bound(BY_OPTION[option], text)


@given(st.text())
def test_any_text_is_a_limit_or_is_refused(text):
    for limit in LIMITS:
        try:
            bound = parse_bound(limit, text)
        except UsageError:
            continue
        assert math.isfinite(bound.value)


# ---- what holds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "holds", "broken"),
    [
        ("--max-gil-wait", "15%", "14.9%"),
        ("--max-gil-wait", "30ms", "29.9ms"),
        ("--max-stalled", "5ms", "4ms"),
        ("--max-running", "100ms", "99ms"),
        ("--max-native", "0ms", None),
        ("--max-wall", "100ms", "99ms"),
        ("--min-cores", "1", "1.01"),
        ("--max-longest-hold", "100ms", "99ms"),
        ("--max-longest-gil-wait", "30ms", "29ms"),
        ("--max-threads", "2", "1"),
        ("--max-lost", "0", None),
        ("--max-unknown", "0%", None),
    ],
)
def test_a_limit_holds_up_to_its_value_and_not_beyond(option, holds, broken):
    assert check(option, holds).status is Status.OK
    if broken is not None:
        assert check(option, broken).status is Status.FAILED


def test_the_line_names_measure_value_and_limit():
    assert (
        check("--max-gil-wait", "10%").text == "GIL wait: 15 % of the threads' time; allowed is at most 10 %"
    )
    assert check("--min-cores", "1.5").text == "cores in use: 1.00; allowed is at least 1.50"


BASE = "main 0-100 running f\nw1 0-20 gil_wait g <- main\nw1 20-100 sleep"


@pytest.mark.parametrize(
    ("text", "status"),
    [("+50%", Status.OK), ("+49%", Status.FAILED), ("+10ms", Status.OK), ("+9ms", Status.FAILED),
     ("-5%", Status.FAILED)],
)  # fmt: skip
def test_a_change_is_on_top_of_the_median_of_the_baseline(text, status):
    found = check("--max-gil-wait", text, baseline=[BASE, BASE.replace("20", "5"), BASE.replace("20", "90")])

    assert found.status is status
    assert f"(baseline 20.0 ms, {text}, noise ±" in found.text


def test_without_repeats_no_noise_is_told():
    assert check("--max-gil-wait", "+50%", baseline=BASE).text.endswith("(baseline 20.0 ms, +50%)")


def test_of_several_recordings_the_median_counts():
    runs = [RUN, RUN.replace("30", "60"), RUN.replace("30", "20")]

    assert check("--max-gil-wait", "30ms", runs).status is Status.OK
    assert check("--max-gil-wait", "29ms", runs).status is Status.FAILED


def test_nothing_on_top_of_nothing_is_nothing():
    assert check("--max-stalled", "+10%", BASE, baseline=BASE).status is Status.OK
    assert check("--max-stalled", "+10%", RUN, baseline=BASE).status is Status.FAILED


# ---- what cannot be told ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "source"),
    [("--max-gil-wait", "gil"), ("--max-stalled", "scheduler"), ("--max-stalled", "gil"),
     ("--max-preempted", "scheduler"), ("--min-cores", "scheduler"),
     ("--max-longest-hold", "gil")],
)  # fmt: skip
def test_a_guard_that_cannot_see_does_not_pass(option, source):
    text = "0.1" if option == "--min-cores" else "10s"
    found = check(option, text, run=without(source))

    assert found.status is Status.NOT_KNOWN
    assert "not recorded" in found.text
    assert check(option, text).status is Status.OK


def test_without_calls_what_is_blocked_could_be_a_wait_that_is_limited():
    blocked = RUN.replace("sleep", "blocked")

    assert check("--max-sleep", "10ms", blocked, run=without("calls")).status is Status.NOT_KNOWN
    assert check("--max-sleep", "80ms", blocked, run=without("calls")).status is Status.OK
    assert check("--max-sleep", "10ms", RUN, run=without("calls")).status is Status.FAILED
    assert check("--max-sleep", "80ms", RUN, run=without("calls", "gil")).status is Status.NOT_KNOWN


def test_unknown_time_could_be_what_is_limited():
    half = "main 0-60 running\nmain 60-100 unknown"

    assert check("--max-stalled", "50ms", half).status is Status.OK
    assert check("--max-stalled", "30ms", half).status is Status.NOT_KNOWN
    assert "may be up to 40.0 ms" in check("--max-stalled", "30ms", half).text
    assert check("--max-running", "50ms", half).status is Status.FAILED
    assert check("--min-cores", "0.6", half).status is Status.OK
    assert check("--min-cores", "0.7", half).status is Status.NOT_KNOWN
    assert check("--min-cores", "1.1", half).status is Status.FAILED
    assert check("--max-unknown", "30ms", half).status is Status.FAILED


def test_without_a_gil_nobody_waits_for_it():
    free = "main 0-100 running\nw1 0-100 running"

    assert check("--max-gil-wait", "0%", free, run=FREE_RUN).status is Status.OK
    assert "there is no GIL" in check("--max-gil-wait", "0%", free, run=FREE_RUN).text
    assert check("--max-gil-wait", "+10%", RUN, run=EXACT_RUN).status is Status.NOT_KNOWN


def test_a_baseline_without_a_gil_is_no_measure_of_waits_for_it():
    bound = parse_bound(BY_OPTION["--max-gil-wait"], "+10%")
    free = measure(timeline("main 0-100 running", FREE_RUN))
    found = check_bound(bound, [measure(timeline(RUN))], [free])

    assert found.status is Status.NOT_KNOWN
    assert found.text == "GIL wait: not known of the baseline: there is no GIL"


def test_a_run_of_which_nobody_saw_the_end_has_no_length_to_check():
    assert check("--max-wall", "10s", run=replace(EXACT_RUN, exit_status=None)).status is Status.NOT_KNOWN


def test_a_recording_without_threads_passes_nothing():
    empty = timeline(RUN)
    found = measure(replace(empty, threads=empty.threads.iloc[:0], intervals=empty.intervals.iloc[:0]))

    for option in ("--max-gil-wait", "--max-stalled", "--min-cores"):
        text = "1" if option == "--min-cores" else "1s"
        assert check_bound(parse_bound(BY_OPTION[option], text), [found], []).status is Status.NOT_KNOWN


# ---- verdicts ---------------------------------------------------------------------------------------

BOUND = "\n".join(
    f'a {i * 10}-{i * 10 + 5} running "f (a.py:1)"\na {i * 10 + 5}-{i * 10 + 10} gil_wait <- b\n'
    f'b {i * 10}-{i * 10 + 5} gil_wait <- a\nb {i * 10 + 5}-{i * 10 + 10} running "f (a.py:1)"'
    for i in range(10)
)  # fmt: skip


def test_a_verdict_may_be_ruled_out():
    found = [measure(timeline(BOUND))]

    assert check_verdict("gil_bound", found).status is Status.FAILED
    assert check_verdict("gil_bound", found).text.startswith("verdict: gil_bound: The GIL is the limit")
    assert check_verdict("lock_bound", found).status is Status.OK
    assert check_verdict("gil_bound", [measure(timeline(RUN)), *found]).status is Status.FAILED


def test_a_verdict_that_could_not_have_been_given_is_not_ruled_out():
    sleepy = "main 0-100 sleep\nw1 0-100 sleep"

    assert check_verdict("gil_bound", [measure(timeline(sleepy, without("gil")))]).status is Status.NOT_KNOWN
    assert check_verdict("gil_bound", [measure(timeline(sleepy))]).status is Status.OK
    assert (
        check_verdict("stalled", [measure(timeline(sleepy, without("scheduler")))]).status is Status.NOT_KNOWN
    )
    light, unclear = without("calls"), "main 0-100 sleep\nw1 0-80 sleep\nw1 80-100 blocked"
    assert check_verdict("lock_bound", [measure(timeline(sleepy, light))]).status is Status.OK
    assert check_verdict("lock_bound", [measure(timeline(unclear, light))]).status is Status.NOT_KNOWN
    thin = measure(timeline("main 0-100 unknown\nw1 0-100 unknown"))
    assert check_verdict("computing", [thin]).status is Status.NOT_KNOWN


def test_without_a_gil_its_verdicts_are_ruled_out():
    run = replace(FREE_RUN, evidence={**EXACT_RUN.evidence, "gil": "none: there is no GIL"})
    found = [measure(timeline("main 0-100 running f\nw1 0-100 running f", run))]

    assert check_verdict("gil_bound", found).status is Status.OK
    assert check_verdict("computing", found).status is Status.FAILED


def test_only_verdicts_there_are_can_be_ruled_out():
    assert {"gil_bound", "mixed", "thin_evidence"} <= set(VERDICTS)
    assert set(VERDICT_NEEDS) <= set(VERDICTS)
    assert {source for sources in VERDICT_NEEDS.values() for source in sources} <= set(Source)
    with pytest.raises(UsageError, match="no such verdict"):
        parse_verdict("gilbound")


# ---- for machines -----------------------------------------------------------------------------------

HOSTILE = 'w\x00\x1b[31m\ud800\ufffe]]></testcase><x a="1">&\r\n::set-output name=x::y\n##[error]z, 50%:'
ATTRIBUTES = {
    "testsuites": set(),
    "testsuite": {"name", "package", "id", "hostname", "timestamp", "time", "tests", "failures", "errors"},
    "properties": set(), "testcase": {"classname", "name", "time"}, "failure": {"message", "type"},
    "error": {"message", "type"}, "system-out": set(), "system-err": set(),
}  # fmt: skip
"""What the JUnit schema of Ant asks for, all of it and nothing else: other readers are content with less."""


def parsed(checks, subject="a.gtrace"):
    """The report as a strict reader sees it, its shape checked against the schema."""
    text = junit_xml(checks, subject, EXACT_RUN)
    root = ET.fromstring(text.encode("utf-8"))
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
    (suite,) = root
    assert [child.tag for child in suite] == [
        "properties", *["testcase"] * len(checks), "system-out", "system-err"
    ]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    assert int(suite.get("tests")) == len(checks)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
    return suite


def test_a_report_for_ci_has_a_case_a_limit():
    checks = [Check("--max-x 1", s, f"x: {s.value}") for s in Status]
    passed, failed, unknown = parsed(checks).findall("testcase")

    assert (passed.get("classname"), passed.get("name"), len(passed)) == ("a.gtrace", "--max-x 1", 0)
    assert [(c.tag, c.get("message")) for c in (*failed, *unknown)] == [
        ("failure", "x: failed"),
        ("error", "x: not known"),
    ]


def test_hostile_names_are_text_in_a_report():
    suite = parsed([Check(HOSTILE, Status.FAILED, HOSTILE)], HOSTILE)
    message = suite.find("testcase/failure").get("message")

    assert "]]></testcase>" in message
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\ud800-\udfff]", message)
    assert message.count("\ufffd") == 4


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_makes_a_report_that_parses(text):
    parsed([Check(text, Status.FAILED, text)], text)


@given(st.text(st.characters(exclude_categories=())))
def test_an_annotation_is_one_command_on_one_line(text):
    line = annotation(Check(text, Status.FAILED, text))

    assert re.fullmatch(r"::error title=[^\r\n:,]*::[^\r\n]*", line)
    assert len(line.splitlines()) == 1
    assert "##[" not in line


def test_an_annotation_is_escaped_as_github_unescapes_it():
    line = annotation(Check("--max-wall +10%", Status.FAILED, "wall: 100% more,\nall of it"))

    assert line == "::error title=gtrace check --max-wall +10%25::wall: 100%25 more,%0Aall of it"


def test_a_line_of_output_is_no_command():
    assert inert("a ##[error]b") == "a # #[error]b"
