"""``gtrace check`` as CI uses it: an exit code, lines, JUnit XML and annotations."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from evidence_text import CONTENDED, write_recording
from launching import printed

from gtrace.cli import main

RUN = CONTENDED.format(release=60)
pytestmark = pytest.mark.usefixtures("in_tmp_path")


@pytest.fixture
def recording():
    return str(write_recording(Path("app.gtrace"), RUN))


def check(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_limits_that_hold_give_exit_code_0(capsys, recording):
    code, out, error = check(capsys, recording, "--max-gil-wait", "60ms", "--max-wall", "1s")

    assert (code, error) == (0, "")
    assert out.splitlines() == [
        "ok        GIL wait: 55.0 ms; allowed is at most 60.0 ms  [--max-gil-wait 60ms]",
        "ok        wall time: 100 ms; allowed is at most 1.00 s  [--max-wall 1s]",
    ]


def test_a_broken_limit_gives_exit_code_1_and_its_line(capsys, recording):
    code, out, _ = check(capsys, recording, "--max-gil-wait", "20%", "--max-wall", "1s", "--quiet")

    assert code == 1
    assert out.splitlines() == [
        "FAILED    GIL wait: 28 % of the threads' time; allowed is at most 20 %  [--max-gil-wait 20%]"
    ]


def test_a_baseline_gives_changes_their_meaning(capsys, recording):
    quicker = write_recording(Path("old.gtrace"), RUN.replace("100", "92"))

    assert check(capsys, recording, "--baseline", quicker, "--max-wall", "+10%")[0] == 0
    assert check(capsys, recording, "--baseline", quicker, "--max-wall", "+8%")[0] == 1
    assert check(capsys, recording, "--baseline", quicker, "--max-wall=-1%")[0] == 1
    assert check(capsys, recording, "--baseline", recording, "--max-wall", "+0%")[0] == 0


def test_what_the_evidence_does_not_tell_fails_unless_allowed(capsys, recording):
    code, out, _ = check(capsys, recording, "--max-stalled", "50ms")
    assert code == 1
    assert out.startswith("NOT KNOWN stalled: not known: no evidence of the scheduler")
    code, out, _ = check(capsys, recording, "--max-stalled", "50ms", "--allow-unknown")
    assert code == 0
    assert out.startswith("NOT KNOWN stalled")


def test_junit_tells_failures_from_what_is_not_known(capsys, recording):
    limits = ["--max-gil-wait", "20%", "--max-stalled", "50ms", "--max-wall", "1s"]
    assert check(capsys, recording, *limits, "--junit", "out/junit.xml")[0] == 1
    (suite,) = ET.parse("out/junit.xml").getroot()

    assert {k: suite.get(k) for k in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    assert {case.get("classname") for case in suite.findall("testcase")} == {"app.gtrace"}
    check(capsys, recording, *limits, "--junit", "out/junit.xml", "--allow-unknown")
    assert ET.parse("out/junit.xml").getroot()[0].get("errors") == "0"


def test_github_gets_annotations_where_asked_and_in_its_workflows(capsys, recording, monkeypatch):
    limit = (recording, "--max-gil-wait", "20%")
    command = "::error title=gtrace check --max-gil-wait 20%25::GIL wait: 28 %25 of the threads' time;"

    assert "::error" not in check(capsys, *limit)[1]
    assert command in check(capsys, *limit, "--github")[1]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert command in check(capsys, *limit)[1]
    assert "::error" not in check(capsys, recording, "--max-gil-wait", "90%")[1]


def test_names_of_the_program_are_no_commands(capsys):
    name = "w\x1b[31m\n::error::x ##[error]y"
    path = write_recording(Path("h.gtrace"), RUN)
    journal = next(path.glob("threads.*.jsonl"))
    journal.write_text(journal.read_text().replace('"w1"', json.dumps(name)))
    texts = check(capsys, path, "--verdict-not", "gil_bound", "--github", "--junit", "j.xml")

    assert "w" in texts[1]
    assert not any(line.startswith("::error::x") for line in texts[1].splitlines())
    assert "##[" not in texts[1]
    assert "\x1b" not in texts[1]
    ET.parse("j.xml")


def test_a_verdict_may_be_ruled_out(capsys, recording):
    assert (
        check(capsys, recording, "--verdict-not", "lock_bound")[0] == 1
    )  # no calls: locks are not told apart
    assert check(capsys, recording, "--verdict-not", "gil_bound")[0] == 1
    assert check(capsys, recording, "--verdict-not", "mixed")[0] == 0


def test_a_program_that_failed_is_told_of(capsys):
    path = write_recording(Path("failed.gtrace"), RUN + "meta status=3\n")
    code, _, error = check(capsys, path, "--max-wall", "1s")

    assert code == 0
    assert "failed.gtrace: exit status 3: it may not have done all its work" in error


def test_damage_is_told_and_what_it_took_does_not_pass(capsys, recording):
    (gil,) = Path(recording).glob("gil.*.bin")
    gil.write_bytes(b"damaged")
    code, out, error = check(capsys, recording, "--max-gil-wait", "90%")

    assert code == 1
    assert out.startswith("NOT KNOWN GIL wait")
    assert f"note: app.gtrace: {gil.name} is left out" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["app.gtrace"], "no limits given"),
        (["app.gtrace", "--max-wall", "soon"], "not a limit: --max-wall soon"),
        (["app.gtrace", "--max-wall=--"], "not a limit: --max-wall"),
        (["app.gtrace", "--max-wall", "+10%"], "name a recording with --baseline"),
        (["app.gtrace", "--verdict-not", "gilbound"], "no such verdict"),
        (["app.gtrace", "--max-wall", "1s", "--junit", "."], "cannot write: ."),
        (["app.gtrace", "app.gtrace", "--max-wall", "1s"], "the same recording twice"),
        (["missing", "--max-wall", "1s"], "cannot read the recording: missing"),
        ([".", "--max-wall", "1s"], "not a recording"),
        (["--max-wall", "1s"], "required"),
    ],
)
@pytest.mark.usefixtures("recording")
def test_mistakes_are_one_line_and_exit_code_2(capsys, arguments, said):
    code, out, error = check(capsys, *arguments)

    assert (code, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1


def test_the_help_shows_percent_signs_once(capsys):
    with pytest.raises(SystemExit):
        main(["check", "-h"])
    out = capsys.readouterr().out

    assert "(20%)" in out
    assert "%%" not in out


def test_a_newer_recording_is_refused(capsys, recording):
    Path(recording, "meta.json").write_text('{"format": 999}')
    code, _, error = check(capsys, recording, "--max-wall", "1s")

    assert code == 2
    assert "update gtrace" in error


def test_the_options_of_the_limits_cost_no_start_of_other_commands():
    """Before the traced program runs, nothing heavy is imported: also not for the table of limits."""
    program = (
        "import sys; from gtrace.cli import build_parser; build_parser();"
        "print(sorted({'pandas', 'numpy', 'rich', 'plotly'} & set(sys.modules)))"
    )

    assert printed(program) == "[]\n"
