"""What a person reads in a terminal: the summary, and the consoles that print it and the rest."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from rich import console as rich_console
from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from gtrace.cli import streams
from gtrace.model import State

MOST_THREADS: Final = 15
"""Threads beyond these are counted in one line: the page has them all."""
LEAST_SHARE: Final = 0.005
NARROW: Final = 72
"""Below so many characters in a line, ids and lifetimes leave their room to the states."""
GAP: Final = 2
STYLES: Final = {
    State.RUNNING: "green",
    State.NATIVE: "cyan",
    State.GIL_WAIT: "red",
    State.LOCK_WAIT: "magenta",
    State.IO_WAIT: "blue",
    State.SLEEP: "bright_black",
    State.BLOCKED: "yellow",
    State.STALLED: "bright_red",
    State.PREEMPTED: "bright_yellow",
    State.UNKNOWN: "white",
}


class Console(rich_console.Console):
    """For the answer itself: without a reader left, the command ends like any other."""

    def on_broken_pipe(self) -> NoReturn:
        """Instead of ending with an exit code of its own."""
        raise BrokenPipeError


class Aside(Console):
    """For what is said on stderr beside the answer: where it cannot be written, the command goes on."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(stderr=True, quiet=quiet)

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError:
            streams.abandon()
            self.quiet = True


def show_summary(summary: dict[str, Any], console: Console) -> None:
    """Prints verdict, headline numbers, a line per thread, and what is missing."""
    console.print(Text(clean(summary["verdict"]["text"]), style="bold"))
    console.print(Text(_headline(summary)))
    if summary["threads"]:
        console.print(_thread_table(summary["threads"], console.width))
    for source, quality in summary["evidence"].items():
        known, _, why = quality.partition(": ")
        if why:
            word = "not known" if known == "none" else known
            console.print(Text(f"{word}: {source} ({why})", style="dim"))
    for note in summary["notes"]:
        console.print(Text(f"note: {clean(note)}", style="yellow"))


def _headline(summary: dict[str, Any]) -> str:
    threads = len(summary["threads"])
    parts = [f"{summary['wall_s']:.3f} s", "1 thread" if threads == 1 else f"{threads} threads"]
    parts.append(f"{summary['parallelism']:.2f} of {summary['cores']} cores in use")
    gil = summary["gil"]
    if gil["utilization"] is not None:
        of_each = f" (sum of {gil['processes']} processes)" if gil["processes"] > 1 else ""
        parts.append(f"GIL held {gil['utilization']:.0%}{of_each}, waited for {gil['wait_s']:.3f} s")
    return " · ".join(parts)


def _thread_table(threads: list[dict[str, Any]], width: int) -> Table:
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column("thread", max_width=width // 3, no_wrap=True)
    if width >= NARROW:
        table.add_column("native id", justify="right")
        table.add_column("lived", justify="right")
    table.add_column("states")
    longest = sorted(threads, key=lambda t: (t["kind"] == "native", -sum(t["states_s"].values())))
    for thread in longest[:MOST_THREADS]:
        lived = sum(thread["states_s"].values())
        facts = [str(thread["tid"]), f"{lived:.3f} s"] if width >= NARROW else []
        table.add_row(
            Text(_fitted(clean(thread["label"]), width // 3)), *facts, _states(thread["states_s"], lived)
        )
    rest = len(threads) - MOST_THREADS
    if rest > 0:
        table.add_row(Text(f"… and {rest} more", style="dim"))
    return table


def _fitted(label: str, width: int) -> str:
    """A label too long for its column keeps its end where that tells the process."""
    name, of_process, pid = label.rpartition(" (pid ")
    room = width - len(of_process + pid) - 1
    return f"{name[:room]}…{of_process}{pid}" if of_process and len(label) > width and room > 0 else label


def _states(seconds: dict[str, float], lived: float) -> Columns:
    """A share stays beside its state where the line ends."""
    shares = sorted(((s / lived if lived else 0.0, name) for name, s in seconds.items()), reverse=True)
    words = [
        Text(f"{share:.0%} {name}", STYLES[State(name)]) for share, name in shares if share >= LEAST_SHARE
    ]
    return Columns(words, padding=(0, GAP))


def clean(text: str) -> str:
    """Names from a traced program may hold control sequences; they show as a replacement character."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
