"""The command line: one module per command; the only place that prints errors and gives exit codes."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import gtrace
from gtrace.cli import check, compare, doctor, export, intervals, lab, report, run, summary
from gtrace.errors import GtraceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = (run, report, summary, intervals, compare, check, export, lab, doctor)
EXIT_FAILURE: Final = 2
EXIT_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, like every other error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see `{self.prog} -h`")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(prog="gtrace", description="Shows what the threads of a Python program really do.")
    parser.add_argument("--version", action="version", version=f"gtrace {gtrace.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; errors a user can mend are one line on stderr."""
    try:
        arguments = build_parser().parse_args(argv)
        code: int = arguments.run(arguments)
    except GtraceError as error:
        print(f"gtrace: {_one_line(str(error))}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt as interrupt:
        print(f"gtrace: {_one_line(str(interrupt)) or 'interrupted'}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_FAILURE
    return code


def _one_line(text: str) -> str:
    """Paths and names are not ours: control characters in them must not reach the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
