"""The command line: one module per command; the only place that prints errors and gives exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gtrace
from gtrace.cli import check, compare, doctor, export, intervals, lab, report, run, streams, summary
from gtrace.errors import GtraceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = (run, report, summary, intervals, compare, check, export, lab, doctor)
EXIT_FAILURE: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_UNREAD: Final = 141
"""128 + SIGPIPE, as of any program whose reader has gone."""
OPTION_WIDTH: Final = 28


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, like every other error."""

    def __init__(self, **settings: Any) -> None:
        layout = partial(argparse.HelpFormatter, max_help_position=OPTION_WIDTH)
        super().__init__(formatter_class=layout, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see `{self.prog} -h`")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="gtrace",
        description="Shows what the threads of a Python program really do.",
        epilog="`gtrace COMMAND -h` tells more of each.",
    )
    parser.add_argument("-V", "--version", action="version", version=f"gtrace {gtrace.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; errors a user can mend are one line on stderr."""
    streams.prepare()
    try:
        try:
            return _run(argv)
        finally:
            streams.flush()
    except BrokenPipeError:
        streams.abandon()
        return EXIT_UNREAD
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        streams.abandon()
        print(f"gtrace: cannot write: {os.strerror(errno.ENOSPC)}; make room", file=sys.stderr)
        return EXIT_FAILURE


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments, unknown = build_parser().parse_known_args(argv)
        if unknown:
            raise UsageError(f"no such argument: {' '.join(unknown)}: see `gtrace {arguments.command} -h`")
        code: int = arguments.run(arguments)
    except GtraceError as error:
        print(f"gtrace: {_one_line(str(error))}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt as interrupt:
        print(f"gtrace: {_one_line(str(interrupt)) or 'interrupted'}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _one_line(text: str) -> str:
    """Paths and names are not ours: control characters in them must not reach the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
