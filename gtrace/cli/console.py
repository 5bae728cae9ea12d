"""The summary as a person reads it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from gtrace.model import State

if TYPE_CHECKING:
    from rich.console import Console

MOST_THREADS: Final = 15
"""Threads beyond these are counted in one line: the page has them all."""
LEAST_SHARE: Final = 0.005
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


def show_summary(summary: dict[str, Any], console: Console) -> None:
    """Prints verdict, headline numbers, a line per thread, and what is missing."""
    console.print(Text(clean(summary["verdict"]["text"]), style="bold"))
    console.print(Text(_headline(summary)))
    if summary["threads"]:
        console.print(_thread_table(summary["threads"]))
    for source, quality in summary["evidence"].items():
        if quality.startswith("none"):
            console.print(Text(f"not known: {source} ({quality.removeprefix('none: ')})", style="dim"))
    for note in summary["notes"]:
        console.print(Text(f"note: {clean(note)}", style="yellow"))


def _headline(summary: dict[str, Any]) -> str:
    parts = [f"{summary['wall_s']:.3f} s", f"{len(summary['threads'])} threads"]
    parts.append(f"{summary['parallelism']:.2f} of {summary['cores']} cores in use")
    held = summary["gil"]["utilization"]
    if held is not None:
        parts.append(f"GIL held {held:.0%}, waited for {summary['gil']['wait_s']:.3f} s")
    return " · ".join(parts)


def _thread_table(threads: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("thread", max_width=32, no_wrap=True)
    table.add_column("native id", justify="right")
    table.add_column("lived", justify="right")
    table.add_column("states")
    longest = sorted(threads, key=lambda thread: -sum(thread["states_s"].values()))
    for thread in longest[:MOST_THREADS]:
        lived = sum(thread["states_s"].values())
        table.add_row(
            Text(clean(thread["name"])),
            str(thread["tid"]),
            f"{lived:.3f} s",
            _states(thread["states_s"], lived),
        )
    rest = len(threads) - MOST_THREADS
    if rest > 0:
        table.add_row(Text(f"… and {rest} more", style="dim"), "", "", "")
    return table


def _states(seconds: dict[str, float], lived: float) -> Text:
    shares = sorted(((s / lived if lived else 0.0, name) for name, s in seconds.items()), reverse=True)
    words = [
        Text(f"{share:.0%} {name}", STYLES[State(name)]) for share, name in shares if share >= LEAST_SHARE
    ]
    return Text("  ").join(words)


def clean(text: str) -> str:
    """Names from a traced program may hold control sequences; they show as a replacement character."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
