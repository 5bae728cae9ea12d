"""``gtrace run``, whole: the program's own status and output, then page, numbers, a few words on stderr."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from launching import PROGRAMS, TIMEOUT_S, bare
from launching import gtrace as gtrace_process

import gtrace as package

PATIENCE_S = 60


pytestmark = pytest.mark.usefixtures("in_tmp_path")


def test_a_page_the_recording_and_an_index_go_to_the_folder_reports(tmp_path):
    ended = gtrace_process("run", PROGRAMS / "kinds.py")
    made = {path.name for path in (tmp_path / "reports").iterdir()}

    assert ended.status == 0
    assert ended.stdout == bare(PROGRAMS / "kinds.py").stdout
    assert made == {"kinds.html", "kinds.gtrace", "index.html"}
    assert ended.stderr.endswith("page: reports/kinds.html\n")
    assert "renamed" in ended.stderr


def test_stderr_that_is_no_terminal_gets_neither_colour_nor_a_bar(gtrace, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    ended = gtrace("run", "--no-report", "-c", "pass")

    assert ended.stderr.endswith("recording: reports/command.gtrace\n")
    assert "\x1b" not in ended.stderr
    assert "\r" not in ended.stderr
    assert "reading" not in ended.stderr


def test_quiet_says_nothing(gtrace):
    assert gtrace("run", "--quiet", PROGRAMS / "leaves.py", "number", "0") == (0, "printed\n", "")


def test_json_follows_the_output_of_the_program(gtrace):
    ended = gtrace("run", "--no-report", "--json", "-", "-c", "print('from the program')")
    first, _, rest = ended.stdout.partition("\n")
    summary = json.loads(rest)

    assert first == "from the program"
    assert summary["command"] == ["-c", "print('from the program')"]
    assert summary["exit_status"] == 0
    assert summary["threads"][0]["name"] == "MainThread"


def test_json_goes_to_a_file(gtrace, tmp_path):
    ended = gtrace("run", "--quiet", "--no-report", "--json", "made/here.json", "-c", "")

    assert ended == (0, "", "")
    assert json.loads((tmp_path / "made" / "here.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("leaves.py", "at once", "7"), 7, ""),
        (("uncaught.py",), 1, "RuntimeError: from outer"),
        (("killed.py", "SIGKILL"), 137, ""),
        (("killed.py", "SIGSEGV"), 139, ""),
    ],
)
def test_the_status_is_the_programs_and_a_page_is_written(gtrace, arguments, status, said):
    name, *rest = arguments
    ended = gtrace("run", "--report", "p.html", "--json", "s.json", PROGRAMS / name, *rest)

    assert ended.status == status
    assert said in ended.stderr
    assert Path("p.html").stat().st_size > 1000
    assert json.loads(Path("s.json").read_text())["exit_status"] == status


def test_light_leaves_out_the_calls(gtrace, tmp_path):
    ended = gtrace("run", "--quiet", "--light", "--no-report", "-o", "r.gtrace", "--json", "s.json", "-c", "")
    evidence = json.loads((tmp_path / "s.json").read_text())["evidence"]

    assert ended == (0, "", "")
    assert evidence["calls"].startswith("none: ")
    assert not list((tmp_path / "r.gtrace").glob("calls.*"))


def test_the_switch_interval_is_set_for_the_program(gtrace):
    code = "import sys; print(sys.getswitchinterval())"

    assert gtrace("run", "--quiet", "--no-report", "--switch-interval", "0.25", "-c", code).stdout == "0.25\n"


def test_evidence_stays_below_the_size_allowed_and_what_did_not_fit_is_counted(gtrace, tmp_path):
    code = "import time\nfor _ in range(8000): time.sleep(0)"
    options = ["--quiet", "--light", "--no-report", "-o", "r.gtrace", "--max-size", "64K"]
    ended = gtrace("run", *options, "--json", "-", "-c", code)
    (evidence,) = (tmp_path / "r.gtrace").glob("gil.*.bin")

    assert evidence.stat().st_size == 64 << 10
    assert json.loads(ended.stdout)["lost"]["gil"] > 0


def test_a_second_run_replaces_the_first(gtrace):
    for text in ("first", "second"):
        gtrace("run", "--quiet", "--no-report", "-o", "r.gtrace", "-c", f"print('{text}')")

    assert package.load("r.gtrace").meta["command"] == ["-c", "print('second')"]


WAITING = """
import os, signal, threading, time
{handler}
worker = threading.Thread(target=threading.Event().wait, daemon=True)
worker.start()
# not print: the handler may come while its buffer is written, and may not write to it then
os.write(1, b"ready\\n")
# no wait for ever: a signal that comes just before one begins does not end it, in any Python; and no
# Event: an exception out of a handler may come in the middle of its lock
while True:
    time.sleep(0.05)
"""
COUNTING = """
seen = []
def count(*_):
    seen.append(1)
    time.sleep(0.2)
    os.write(1, b"seen %d" % len(seen))
    raise SystemExit(4)
signal.signal(signal.SIGINT, count)
"""


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def in_a_terminal(*arguments, **environment):
    """Runs gtrace where Ctrl-C is a key; presses it when the program is ready. Gives status and output."""
    terminal, end = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-m", "gtrace", *map(str, arguments)],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**os.environ, "TERM": "xterm-256color", **environment},
        start_new_session=True,
    )
    os.close(end)
    output, pressed = b"", False
    while select.select([terminal], [], [], PATIENCE_S)[0]:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody is at the other end
            break
        output += read
        if b"ready" in output and not pressed:
            pressed = True
            os.write(terminal, b"\x03")
    else:
        process.kill()
    os.close(terminal)
    return process.wait(), output.decode("utf-8", "replace")


def terminals_are_to_be_had():
    try:
        ends = os.openpty()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True


needs_a_terminal = pytest.mark.skipif(not terminals_are_to_be_had(), reason="no /dev/pts here")


@needs_a_terminal
def test_ctrl_c_ends_the_program_and_the_page_is_written(tmp_path):
    status, output = in_a_terminal("run", "--report", "p.html", "-c", WAITING.format(handler=""))

    assert status == 130
    assert output.count("KeyboardInterrupt") == 1
    assert (tmp_path / "p.html").exists()


@needs_a_terminal
def test_ctrl_c_reaches_a_program_that_handles_it_once():
    code = WAITING.format(handler=COUNTING)
    status, output = in_a_terminal("run", "--quiet", "--no-report", "-c", code)

    assert status == 4
    assert output.count("seen") == 1
    assert "seen 1" in output


@needs_a_terminal
def test_a_terminal_gets_colour_unless_it_wants_none():
    colour = "\x1b[3"  # what sets a foreground colour begins with this
    arguments = "run", "--no-report", "-c", "pass"

    assert colour in in_a_terminal(*arguments)[1]
    assert colour not in in_a_terminal(*arguments, NO_COLOR="1")[1]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_sent_to_gtrace_is_passed_on(tmp_path, number, status):
    command = [sys.executable, "-m", "gtrace", "run", "--report", "p.html", "-c", WAITING.format(handler="")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        first = running.stdout.readline()
        running.send_signal(number)
        _, said = running.communicate(timeout=TIMEOUT_S)

    assert first == b"ready\n"
    assert running.returncode == status
    assert (tmp_path / "p.html").exists()
    assert (b"KeyboardInterrupt" in said) == (number == signal.SIGINT)


COUNTS = """
import os, signal, sys
seen = []
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, lambda number, _: seen.append(number))
if sys.argv[1:]:
    os.setpgid(0, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
print(*sorted(seen))
"""
SENDERS = {
    "to its process": lambda running, number: running.send_signal(number),
    "to its group": lambda running, number: os.killpg(running.pid, number),
    "to both, as timeout does": lambda running, number: (
        running.send_signal(number),
        os.killpg(running.pid, number),
    ),
}


APART = "in a group of its own"


@pytest.mark.parametrize(
    ("send", "arguments"), [*((name, ()) for name in SENDERS), ("to its group", [APART])], ids=str
)
def test_a_signal_reaches_the_program_once_whomever_it_is_sent_to(send, arguments):
    command = [sys.executable, "-m", "gtrace", "run", "--light", "--quiet", "--no-report"]
    with subprocess.Popen(
        [*command, "-c", COUNTS, *arguments], stdout=subprocess.PIPE, start_new_session=True
    ) as running:
        assert running.stdout.readline() == b"ready\n"
        numbers = [signal.SIGQUIT, signal.SIGINT, signal.SIGHUP]
        for number in numbers:
            SENDERS[send](running, number)
        # comes after all that is passed on: gtrace takes them by number, and this one has the highest
        running.send_signal(signal.SIGUSR1)
        out, _ = running.communicate(timeout=TIMEOUT_S)

    assert out.split() == [b"%d" % number for number in sorted(numbers)]


def test_what_the_kernel_knows_is_left_out_where_that_is_wished(gtrace, tmp_path):
    code = "import threading; t = threading.Thread(target=sum, args=[range(9)]); t.start(); t.join()"
    gtrace(
        "run", "--light", "--no-scheduler", "--no-report", "-o", "r.gtrace", "--json", "s.json", "-c", code
    )
    evidence = json.loads((tmp_path / "s.json").read_text())["evidence"]

    assert evidence["scheduler"] == "none: left out by --no-scheduler"
    assert evidence["calls"] == "none: left out by --light"
    assert not [*(tmp_path / "r.gtrace").glob("scheduler.*")]
    (journal,) = (tmp_path / "r.gtrace").glob("threads.*")
    assert b'"event":"amount"' not in journal.read_bytes()


IGNORES_CHILDREN = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_the_end_of_a_program_is_seen_where_ends_of_children_were_ignored():
    gtrace = [sys.executable, "-m", "gtrace", "run", "--light", "--quiet", "--no-report"]
    command = [sys.executable, "-c", IGNORES_CHILDREN, *gtrace, "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_a_script_of_any_name_has_a_page(gtrace, tmp_path):
    name = os.fsdecode(b"gr\xfc\xdfe\n\x1b.py")
    (tmp_path / name).write_text("print('ran')")
    ended = gtrace("run", name)

    assert (ended.status, ended.stdout) == (0, "ran\n")
    assert [path.suffix for path in (tmp_path / "reports").glob("gr*")].count(".html") == 1


def test_forked_children_are_in_the_summary(gtrace, tmp_path):
    gtrace("run", "--quiet", "--no-report", "--json", "s.json", PROGRAMS / "forks.py")
    threads = json.loads((tmp_path / "s.json").read_text())["threads"]

    names = Counter(thread["name"] for thread in threads if thread["name"] != "MainThread")

    assert len({thread["pid"] for thread in threads}) == 7
    assert {name: names[name] for name in names if name.startswith("of")} == {
        "of child 0": 1,
        "of child 1": 2,
        "of child 2": 2,
    }


def test_the_end_of_a_program_is_seen_from_a_process_of_many_threads():
    """As a notebook is one: SIGCHLD may go to a thread that does not wait for it."""
    code = """
import threading
from gtrace.recorder.launch import LaunchOptions, run_program
for _ in range(4):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print({run_program([], LaunchOptions(".", "/bin/true")).exit_status for _ in range(60)})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr) == ("{0}\n", "")
