"""A recording in Jupyter: how it looks, and the cell magic that makes one."""

from __future__ import annotations

import argparse
import codecs
import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gtrace
from gtrace.analysis.verdict import judge
from gtrace.errors import GtraceError, RecordingError
from gtrace.report import render
from gtrace.report.escape import safe_text
from gtrace.report.facts import headline, title_of

if TYPE_CHECKING:
    from gtrace.recording import Recording

MOST_EMBEDDED: Final = 8_000_000
"""Characters of a page beyond which it is not put into the notebook's file."""
RESULT: Final = "_gtrace"
FRAME_STYLE: Final = "width:100%;height:44em;border:1px solid #8888"

_folders: list[tempfile.TemporaryDirectory[str]] = []
"""Recordings read their files when asked: the folders last as long as this process."""


class CellError(GtraceError):
    """What a cell magic has to say goes below the cell as one line, without a traceback of ours."""

    def _render_traceback_(self) -> list[str]:
        return [f"gtrace: {safe_text(str(self))}"]


def html_of(recording: Recording) -> str:
    """The verdict and the headline numbers as HTML, and the page in a frame of its own.

    The frame has an origin of its own as well: its script reaches neither the notebook nor its
    server. A page of more than ``MOST_EMBEDDED`` characters is left out, with a word on how to get it.
    """
    timeline = recording.make("timeline")
    numbers = headline(timeline)
    words = [f"{number.label} {number.value}" for number in numbers if number.known]
    return (
        f"<div><p><strong>{_shown(judge(timeline).text)}</strong></p>"
        f"<p>{_shown(' · '.join(words))}</p>{_frame(recording, render(timeline))}</div>"
    )


def _frame(recording: Recording, page: str) -> str:
    title = _shown(title_of(recording.make("timeline").run))
    if len(page) > MOST_EMBEDDED:
        command = f"gtrace report {shlex.quote(str(recording.path))} --open"
        return (
            f"<p>The page of {title} has {len(page) / 1e6:.0f} MB, too much for a notebook: "
            f"open it with <code>{_shown(command)}</code></p>"
        )
    # a frame without allow-same-origin cannot touch the document around it
    return (
        f'<iframe title="gtrace: {title}" sandbox="allow-scripts allow-downloads" '
        f'style="{FRAME_STYLE}" srcdoc="{escape(page)}"></iframe>'
    )


def _shown(text: str) -> str:
    return escape(safe_text(text))


def load_ipython_extension(shell: Any) -> None:
    """Adds ``%%gtrace`` to an IPython shell; ``%load_ext gtrace`` calls this."""

    def magic(line: str, cell: str) -> Recording:
        return run_cell(shell, line, cell)

    magic.__doc__ = run_cell.__doc__
    shell.register_magic_function(magic, "cell", "gtrace")


def run_cell(shell: Any, line: str, cell: str) -> Recording:
    """Records the cell and shows what its threads did.

    ::

        %%gtrace [-r NAME] [-o REC.gtrace] [--light] [--switch-interval S]

    The recorder starts with the interpreter, so the cell runs as a script in a fresh process, with
    the notebook's interpreter and working directory: it sees none of the notebook's variables, and
    the notebook sees none of its own. It must be plain Python; ``input()`` finds nothing to read.
    The recording is left in the variable ``_gtrace``, or the one named by ``-r``, and is the value
    of the cell. It is kept until the kernel ends, or for good where ``-o`` names a place.
    """
    options = _options(line)
    folder = tempfile.TemporaryDirectory(prefix="gtrace-")
    _folders.append(folder)
    script = Path(folder.name, "cell.py")
    script.write_text(cell, encoding="utf-8")
    place = options.output or Path(folder.name, "cell.gtrace")
    status = _run(_command(options, place, script))
    recording = _load(place)
    if recording is None:
        raise CellError(f"nothing was recorded: the cell ended with exit status {status}")
    shell.push({options.result: recording})
    if status:
        shell.display_pub.publish(*shell.display_formatter.format(recording))
        raise CellError(f"the cell ended with exit status {status}; its recording is in {options.result}")
    return recording


def _load(place: Path) -> Recording | None:
    """The recording, or None where the recorder did not start and has said why."""
    try:
        recording = gtrace.load(place)
    except RecordingError:
        return None
    return recording if recording.processes else None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CellError(f"{message}; usage: {self.format_usage().removeprefix('usage: ').strip()}")


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%gtrace", add_help=False)
    parser.add_argument("-r", "--result", default=RESULT, metavar="NAME")
    parser.add_argument("-o", "--output", type=Path, metavar="REC.gtrace")
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--switch-interval", type=float, metavar="S")
    try:
        options = parser.parse_args(shlex.split(line))
    except ValueError as error:
        parser.error(str(error))
    if not options.result.isidentifier():
        parser.error(f"not a name for a variable: {options.result}")
    return options


def _command(options: argparse.Namespace, place: Path, script: Path) -> list[str]:
    command = [sys.executable, "-m", "gtrace", "run", "--no-report", "--quiet", "-o", str(place)]
    if options.light:
        command.append("--light")
    if options.switch_interval is not None:
        command += ["--switch-interval", str(options.switch_interval)]
    return [*command, str(script)]


def _run(command: list[str]) -> int:
    """Runs it with its output in the cell's; an interrupt of the cell is passed on, once each."""
    # as in the notebook, modules are found in the working directory
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(  # noqa: S603 - the cell is the user's own
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        # the terminal, or Jupyter, interrupts all of a group: it would come twice
        start_new_session=True,
    )
    with process, selectors.DefaultSelector() as pipes:
        for pipe, stream in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            assert pipe is not None, "both were asked for"
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            pipes.register(pipe, selectors.EVENT_READ, (stream, decoder))
        while pipes.get_map():
            try:
                _relay(pipes)
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
        return process.wait()


def _relay(pipes: selectors.BaseSelector) -> None:
    """Passes on what has come, and forgets a pipe that has ended."""
    for key, _ in pipes.select():
        data = os.read(key.fd, 1 << 16)
        stream, decoder = key.data
        stream.write(decoder.decode(data, not data))
        stream.flush()
        if not data:
            pipes.unregister(key.fileobj)
