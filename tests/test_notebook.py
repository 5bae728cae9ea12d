"""A recording in Jupyter: what it shows of itself, and the cell magic."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from evidence_text import write_recording

import gtrace
from gtrace import notebook, recording
from gtrace.errors import RecordingError

sys.path.insert(0, str(Path(__file__).parent / "browser"))
from chromium import CHROMIUM, browser

needs_ipython = pytest.mark.skipif(
    importlib.util.find_spec("IPython") is None, reason="IPython is not installed"
)

CELL = """
import sys, threading
import beside
print("out", beside.NAME)
print("err", file=sys.stderr)
print("notebook_variable" in globals())
worker = threading.Thread(target=sum, args=(range(1000),), name="worker")
worker.start()
worker.join()
"""
HOSTILE = """
    "</iframe><img src=x onerror=alert(1)>" begin 0
    "</iframe><img src=x onerror=alert(1)>" call "<script>f</script>" 1-9
    stop 10
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """An IPython shell with the extension, in a folder with a module of the user's."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    folder = tmp_path_factory.mktemp("notebook")
    (folder / "beside.py").write_text("NAME = 'beside'\n")
    config = Config()
    config.HistoryManager.enabled = False
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("PYTHONPATH", str(Path(gtrace.__file__).parents[1]))
        made = InteractiveShell.instance(config=config)
        made.run_line_magic("load_ext", "gtrace")
        made.push({"notebook_variable": 1})
        yield made
        InteractiveShell.clear_instance()


def made(tmp_path, text):
    return gtrace.load(write_recording(tmp_path / "text.gtrace", text))


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_intervals_of_a_recording_are_those_of_its_timeline(tmp_path):
    one = made(tmp_path, "main begin 0\nmain call time.sleep 1-9\nstop 10")

    pd.testing.assert_frame_equal(one.intervals, gtrace.build_timeline(one).intervals)
    assert one.intervals is one.intervals


def test_threads_and_calls_are_tables(tmp_path):
    one = made(tmp_path, "main begin 0\nw begin 1 parent=main\nw call f 2-3\nstop 10")

    assert list(one.threads["name"]) == ["main", "w"]
    assert list(one.calls["name"]) == ["f"]


def test_the_times_of_calls_and_of_intervals_are_told_apart_by_when_the_recording_began(tmp_path):
    one = made(tmp_path, "main begin 0\nmain call time.sleep 1-9\nstop 10")
    asleep = one.intervals[one.intervals["state"] == "sleep"]

    assert (one.calls["start_ns"] - one.began_ns).tolist() == asleep["start_ns"].tolist() == [1_000_000]


def test_a_recording_loaded_past_the_package_says_how_to_load_it(tmp_path, monkeypatch):
    one = made(tmp_path, "main begin 0\nstop 10")
    monkeypatch.setattr(recording, "LATER", {})

    assert one._repr_html_() is None
    with pytest.raises(RecordingError, match=r"gtrace\.load"):
        _ = one.intervals


def test_its_repr_is_one_line(tmp_path):
    one = made(tmp_path, "main begin 0\nstop 10")

    assert repr(one) == f"<Recording '{tmp_path / 'text.gtrace'}' of 'python program.py'>"


def test_its_repr_bears_a_damaged_command(tmp_path):
    one = made(tmp_path, "main begin 0\nstop 10")

    assert repr(replace(one, meta={"command": [1, None]})).endswith(" of '1 None'>")
    assert repr(replace(one, meta={})).endswith(" of 'python'>")


def test_it_shows_its_verdict_and_its_page_in_a_frame_that_reaches_nothing_around_it(tmp_path):
    one = made(tmp_path, HOSTILE)
    timeline = gtrace.build_timeline(one)
    tags = Tags(one._repr_html_())
    frames = [attributes for tag, attributes in tags.found if tag == "iframe"]

    assert [frame["srcdoc"] for frame in frames] == [gtrace.render(timeline)]
    assert frames[0]["sandbox"].split() == ["allow-scripts", "allow-downloads"]
    assert gtrace.summarize(timeline)["verdict"]["text"] in tags.text


def test_names_in_it_are_text(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "title_of", lambda _: '"><script>alert(1)</script>')
    tags = Tags(made(tmp_path, HOSTILE)._repr_html_())

    assert {tag for tag, _ in tags.found} == {"div", "p", "strong", "iframe"}


def test_a_page_too_large_for_a_notebook_is_left_out_with_a_word_on_how_to_open_it(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "MOST_EMBEDDED", 10)
    one = made(tmp_path, HOSTILE)
    tags = Tags(one._repr_html_())

    assert "iframe" not in [tag for tag, _ in tags.found]
    assert f"gtrace report {one.path} --open" in tags.text


@needs_ipython
def test_jupyter_shows_the_page_and_a_terminal_one_line(shell, tmp_path):
    one = made(tmp_path, "main begin 0\nstop 10")
    shown, _ = shell.display_formatter.format(one)

    assert shown == {"text/plain": repr(one), "text/html": one._repr_html_()}


@needs_ipython
def test_a_cell_is_recorded_its_output_shown_and_the_recording_left_in_a_variable(shell, capsys):
    result = shell.run_cell(f"%%gtrace -r mine\n{CELL}")
    out, err = capsys.readouterr()

    assert result.success
    assert result.result is shell.user_ns["mine"]
    # the cell sees modules beside the notebook, and none of its variables
    assert out.startswith("out beside\nFalse\n")
    assert err == "err\n"
    assert set(result.result.threads["name"]) == {"MainThread", "worker"}
    assert set(result.result.intervals["thread"]) == {"MainThread", "worker"}


@needs_ipython
def test_a_cell_that_fails_fails_with_its_own_traceback_and_leaves_its_recording(shell, capsys):
    result = shell.run_cell("%%gtrace\nimport sys\nprint('before')\n1 / 0")
    out, err = capsys.readouterr()

    assert not result.success
    assert out.startswith("before\n")
    assert "ZeroDivisionError" in err
    assert err.count("  File ") == 1, "no frames but the cell's"
    assert out.endswith("gtrace: the cell ended with exit status 1; its recording is in _gtrace\n")
    assert shell.user_ns["_gtrace"].meta["exit_status"] == 1


@needs_ipython
def test_options_of_the_recorder_are_passed_on_and_a_recording_can_be_kept(shell, capsys, tmp_path):
    result = shell.run_cell(f"%%gtrace --light --switch-interval 0.25 -o {tmp_path}/kept.gtrace\n1")
    capsys.readouterr()

    assert result.result.path == tmp_path / "kept.gtrace"
    assert result.result.meta["options"] == {"calls": False, "scheduler": True, "switch_interval_s": 0.25}
    assert gtrace.load(tmp_path / "kept.gtrace").calls.empty


@needs_ipython
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--nope", "unrecognized arguments: --nope"),
        ("-r two-words", "not a name for a variable: two-words"),
        ("-o 'open", "No closing quotation"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_runs(shell, capsys, line, said):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebook, "_run", lambda _: pytest.fail("it ran"))
        result = shell.run_cell(f"%%gtrace {line}\n1")
    out = capsys.readouterr().out.strip()

    assert not result.success
    assert out.startswith(f"gtrace: {said}; usage: %%gtrace [-r NAME]")
    assert "\n" not in out


@needs_ipython
def test_a_recording_that_cannot_be_written_is_said_in_the_recorders_words(shell, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    result = shell.run_cell(f"%%gtrace -o {tmp_path}/file/x.gtrace\n1")
    out, err = capsys.readouterr()

    assert not result.success
    assert f"{tmp_path}/file" in err
    assert out == "gtrace: nothing was recorded: the cell ended with exit status 2\n"


@needs_ipython
def test_a_recorder_that_could_not_start_leaves_no_recording(shell, capsys, monkeypatch, tmp_path):
    empty = tmp_path / "empty.gtrace"
    empty.mkdir()
    (empty / "meta.json").write_text('{"format": 1}')
    monkeypatch.setattr(notebook, "_run", lambda _: 2)
    shell.user_ns.pop("never", None)

    assert not shell.run_cell(f"%%gtrace -r never -o {empty}\n1").success
    assert capsys.readouterr().out == "gtrace: nothing was recorded: the cell ended with exit status 2\n"
    assert "never" not in shell.user_ns


def test_an_interrupt_of_the_cell_reaches_the_program_once(capsys, monkeypatch):
    program = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("ready", flush=True)
signal.sigwait([signal.SIGINT])
print("interrupted", signal.SIGINT in signal.sigpending())
"""
    relay, interrupts = notebook._relay, [KeyboardInterrupt]

    def relay_and_interrupt(pipes):
        relay(pipes)
        if interrupts:
            raise interrupts.pop()

    monkeypatch.setattr(notebook, "_relay", relay_and_interrupt)

    assert notebook._run([sys.executable, "-c", program]) == 0
    assert capsys.readouterr().out == "ready\ninterrupted False\n"


def test_output_in_pieces_of_characters_is_put_together(capsys):
    program = r"import os; [os.write(1, bytes([b])) for b in 'Grüße 🐍'.encode() + b'\xff']"

    notebook._run([sys.executable, "-c", program])
    assert capsys.readouterr().out == "Grüße 🐍\N{REPLACEMENT CHARACTER}"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed")
def test_the_page_works_in_its_frame_without_an_origin(tmp_path):
    (tmp_path / "notebook.html").write_text(
        f"<!DOCTYPE html><title>x</title>{made(tmp_path, HOSTILE)._repr_html_()}", encoding="utf-8"
    )
    complaints = []
    with browser() as chromium:
        page = chromium.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto((tmp_path / "notebook.html").as_uri())
        page.frame_locator("iframe").locator("canvas").first.wait_for()
        (frame,) = page.frames[1:]
        origin = frame.evaluate("self.origin")

    assert origin == "null"
    assert complaints == []
