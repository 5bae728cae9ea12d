"""Every failure of the command line is one line on stderr and exit code 2, and no traceback of ours."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launching import PROGRAMS, recorded

import gtrace as package
from gtrace import recording
from gtrace.cli import main
from gtrace.recorder import folder

pytestmark = pytest.mark.usefixtures("in_tmp_path")


@pytest.fixture
def fails(capfd):
    """Runs a command that must fail; gives what it said."""

    def run(*arguments):
        assert main([*map(str, arguments)]) == 2
        out, error = capfd.readouterr()
        assert out == ""
        assert error.startswith("gtrace: ")
        assert error.endswith("\n")
        assert error.count("\n") == 1
        return error

    return run


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("open('ran', 'w')\n")
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["frobnicate"], "frobnicate"),
        (["run"], "nothing to run"),
        (["run", "-m"], "nothing to run"),
        (["run", "-c"], "nothing to run"),
        (["run", "missing.py"], "no such script: missing.py"),
        (["run", "a\nb\x1b.py"], "no such script: a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}.py"),
        (["run", "--frobnicate", "x.py"], "--frobnicate"),
        (["run", "--switch-interval", "soon", "x.py"], "not a time in seconds: soon"),
        (["run", "--switch-interval", "0", "x.py"], "not a time in seconds: 0"),
        (["run", "--max-size", "much", "x.py"], "not a size"),
        (["run", "--max-size", "1K", "x.py"], "too small"),
        (["run", "--report", "x.html", "--no-report", "x.py"], "not allowed"),
        (["report", "missing"], "cannot read the recording: missing"),
        (["report", "."], "not a recording"),
        (["summary", "."], "not a recording"),
        (["intervals", ".", "-o", "x.txt"], "no such format"),
        (["intervals", "."], "required"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(fails, arguments, said):
    assert said in fails(*arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--python", "missing"], "cannot start the interpreter: missing"),
        (["--python", "."], "cannot start the interpreter: ."),
        (["--python", ""], "no interpreter"),
        (["-o", "file"], "will not replace what is not a recording: file"),
        (["-o", "full"], "will not replace what is not a recording: full"),
        (["-o", "file/x.gtrace"], "cannot make the folder: "),
        (["--report", "file/x.html"], "cannot make the folder: "),
        (["--report", "full"], "cannot write: full"),
        (["--json", "full"], "cannot write: full"),
        (["--report", "."], "cannot write: ."),
    ],
)
def test_a_place_that_cannot_be_written_is_said_before_the_program_runs(fails, script, options, said):
    Path("file").touch()
    Path("full").mkdir()
    Path("full/precious").touch()

    assert said in fails("run", *options, script)
    assert not Path("ran").exists()
    assert Path("full/precious").exists()


def test_an_interpreter_that_does_not_load_the_recorder_is_named(fails, script):
    assert "did not load the recorder" in fails("run", "--no-report", "--python", "/bin/true", script)


def test_a_script_that_may_not_be_read_is_named(fails, script, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert "cannot read the script" in fails("run", script)


def test_an_interpreter_without_viztracer_is_told_how_to_get_it(fails, script, tmp_path):
    """A virtual environment without packages, which has not even gtrace."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    said = fails("run", "--no-report", "--python", bare / "bin" / "python", script)

    assert "No module named 'viztracer'" in said
    assert "install gtrace there, too" in said
    assert not (tmp_path / "ran").exists()


def test_no_current_folder_is_said(fails, script, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert "no current folder" in fails("run", script)


@pytest.mark.parametrize("command", [["report"], ["summary"], ["intervals", "-o", "x.csv"]])
def test_a_newer_recording_is_refused(fails, tmp_path, command):
    path = tmp_path / "r.gtrace"
    folder.create(path, {})
    (path / "meta.json").write_text('{"format": 999}')

    assert "update gtrace" in fails(command[0], path, *command[1:])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "r.gtrace"
    recorded(path, PROGRAMS / "kinds.py")
    return path


@pytest.mark.parametrize(
    "command", [["report", "-o", "file/x.html"], ["intervals", "-o", "file/x.csv"], ["report", "-o", "."]]
)
def test_output_that_cannot_be_written_is_named(fails, finished, tmp_path, command):
    (tmp_path / "file").touch()

    assert "cannot" in fails(command[0], finished, *command[1:])


def test_a_full_disk_is_said(tmp_path, finished):
    """No room for a page: the largest file this process may write is smaller."""
    program = """
import resource, sys
from gtrace.cli import main
import gtrace.report, gtrace.timeline.build
sys.dont_write_bytecode = True  # or half of a module would be left for others
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sys.exit(main(sys.argv[1:]))
"""
    page = tmp_path / "page.html"
    command = [sys.executable, "-c", program, "report", "--quiet", finished, "-o", page]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == f"gtrace: cannot write: {page}: File too large; name another place\n"
    assert list(tmp_path.iterdir()) == []


def test_the_version_and_the_help_are_printed(capsys):
    for arguments, said in (
        (["--version"], package.__version__),
        (["-h"], "run"),
        (["run", "-h"], "--light"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_the_summary_of_a_recording_is_for_people_or_json(capsys, finished):
    assert main(["summary", str(finished)]) == 0
    assert "MainThread" in capsys.readouterr().out
    assert main(["summary", str(finished), "--json"]) == 0
    assert '"version": 1' in capsys.readouterr().out


def test_the_page_of_the_folder_one_is_in_goes_beside_it(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(finished, tmp_path / "r.gtrace"))

    assert main(["report", ".", "--quiet"]) == 0
    assert (tmp_path / "r.html").stat().st_size > 1000


def test_a_recording_that_may_not_be_changed_is_shown(finished, tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(recording.pq, "write_table", refuse)

    assert main(["report", str(finished), "-o", "page.html", "--quiet"]) == 0
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_an_old_recording_stays_where_no_new_one_can_be_made(fails, script, tmp_path, finished):
    old = shutil.copytree(finished, tmp_path / "r.gtrace")
    names = sorted(os.listdir(old))

    assert "cannot start the interpreter: missing" in fails("run", "-o", old, "--python", "missing", script)
    assert sorted(os.listdir(old)) == names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--frobnicate", "x.py"], "no such argument: --frobnicate: see `gtrace run -h`"),
        (["report", "a", "b"], "no such argument: b: see `gtrace report -h`"),
        (["run", "--switch-interval", "1e99", "x.py"], "not a time in seconds: 1e99"),
    ],
)
def test_an_argument_too_much_names_the_command_that_does_not_know_it(fails, arguments, said):
    assert said in fails(*arguments)


@pytest.fixture
def unread():
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def full():
    with open("/dev/full", "w", encoding="utf-8") as device:
        yield device


def run_gtrace(*arguments, encoding="utf-8", **streams):
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    environment["PYTHONIOENCODING"] = encoding
    environment.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "-m", "gtrace", *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, **streams}
    return subprocess.run(command, text=True, check=False, **streams)


SPEAKING = pytest.mark.parametrize(
    "command", [["summary"], ["summary", "--json"], ["check", "--max-wall", "1ns"], ["check", "-h"]]
)


@SPEAKING
def test_output_that_nobody_reads_ends_a_command_without_a_word(finished, command, unread):
    done = run_gtrace(*command, finished, stdout=unread)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@SPEAKING
def test_output_without_room_is_said_in_one_line(finished, command, full):
    done = run_gtrace(*command, finished, stdout=full)

    assert (done.returncode, done.stderr) == (2, "gtrace: cannot write: No space left on device; make room\n")


@pytest.mark.parametrize("lost", ["unread", "full"])
def test_a_program_s_exit_code_and_its_files_outlive_a_stderr_that_takes_nothing(request, tmp_path, lost):
    stream = request.getfixturevalue(lost)
    wanted = ["--json", "n.json", "--report", "p.html"]
    done = run_gtrace("run", *wanted, "-c", "raise SystemExit(7)", stderr=stream)

    assert done.returncode == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.json", "p.gtrace", "p.html"]


def test_a_terminal_s_encoding_may_be_poor(finished):
    done = run_gtrace("summary", finished, encoding="ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert "MainThread" in done.stdout


@pytest.mark.parametrize("opens", [True, False])
def test_a_page_that_no_browser_shows_is_named(finished, monkeypatch, capsys, opens):
    seen = []
    monkeypatch.setattr("webbrowser.open", lambda address: seen.append(address) or opens)

    assert main(["report", str(finished), "-o", "page.html", "--open", "--quiet"]) == 0
    assert seen == [Path("page.html").absolute().as_uri()]
    said = capsys.readouterr().err
    assert said == ("" if opens else "note: no browser was found: open page.html in one\n")


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "a={0}", "b={0}", "--json", "written", "--no-report"],
        ["compare", "a={0}", "b={0}", "-o", "written"],
        ["check", "{0}", "--max-wall", "1ns", "--junit", "written"],
    ],
)
def test_files_outlive_output_that_nobody_reads(finished, tmp_path, command, unread):
    done = run_gtrace(*(word.format(finished) for word in command), stdout=unread)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
    assert (tmp_path / "written").stat().st_size > 100
