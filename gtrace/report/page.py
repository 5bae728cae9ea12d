"""One self-contained page of a timeline: the only door out of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from gtrace.analysis.verdict import judge
from gtrace.model import EVIDENCE_MEANING, MEANING, State
from gtrace.report import facts
from gtrace.report.escape import prose, safe_text, script_json
from gtrace.report.frame import About, frame
from gtrace.report.legend import evidence_entries, state_entries
from gtrace.report.names import shortener
from gtrace.report.palette import LABELS
from gtrace.report.part import Part, Span, fitting_part, overview
from gtrace.report.script import bundle, plotly
from gtrace.report.template import template
from gtrace.timeline.blockers import lanes_at
from gtrace.timeline.labels import labelled
from gtrace.timeline.wakeups import CAUSES

if TYPE_CHECKING:
    from gtrace.analysis.rules import Verdict
    from gtrace.timeline.timeline import RunInfo, Timeline

SCRIPTS: Final = (
    "format.js", "unpack.js", "store.js", "aggregate.js", "gil.js", "groups.js", "blame.js", "locks.js",
    "wakeups.js", "view.js", "navigate.js", "theme.js", "tables.js", "charts.js", "draw.js", "strips.js",
    "joins.js", "tooltip.js", "find.js", "marks.js", "lanes.js", "timeline.js", "gestures.js",
    "tableoptions.js", "tableview.js", "main.js",
)  # fmt: skip
"""The page's modules, each after those it imports."""
WAKEUP_CAUSES: Final = {
    "gil": "the GIL: from free to held",
    "lock": "a lock: from given to going on",
}
"""What threads waited for, by the causes of a timeline's wake-ups, worded for a reader."""


def render(timeline: Timeline, span: Span | None = None) -> str:
    """The page: HTML that opens from a file and asks for nothing else; same timeline, same text.

    With ``span`` its timeline and tables are of that stretch of the run. What would make the page
    larger than ``MOST_BYTES`` is left out at the end of the stretch, and the page says so.
    """
    timeline = labelled(timeline)
    return template("page.html").render(page_context(timeline, fitting_part(timeline, span)))


def page_context(timeline: Timeline, part: Part) -> dict[str, Any]:
    """What the template shows, worded; text of the traced program still unescaped."""
    run = timeline.run
    verdict = judge(timeline)
    config = {**_config(part.timeline), "columns": part.packed.header}
    if part.span is not None:
        config["part"] = {"from": int(part.span.begin), "to": int(part.span.end)}
        config["overview"] = overview(timeline)
    return {
        **frame(_about(run, verdict)),
        "started": facts.started(run),
        "run": run,
        "verdict": {
            "code": verdict.code,
            "text": safe_text(verdict.text),
            "prose": prose(verdict.text),
            "advice": prose(verdict.advice),
            "numbers": [(safe_text(label), safe_text(value)) for label, value in verdict.numbers],
        },
        "part": "" if part.span is None else prose(facts.part_words(timeline, part)),
        "banner": facts.INFERRED_BANNER if facts.only_inferred(timeline) else "",
        "headline": facts.headline(timeline),
        "environment": facts.environment(run),
        "evidence": facts.evidence_rows(run),
        "evidence_meaning": [(kind.value, meaning) for kind, meaning in EVIDENCE_MEANING.items()],
        "notes": [prose(note) for note in run.notes],
        "states": [(state.value, LABELS[state], MEANING[state]) for state in State],
        "config": Markup(script_json(config)),  # noqa: S704 - escaped there
        "blob": part.packed.blob,
        "script": bundle(SCRIPTS),
        "plotly": plotly(),
    }


def _about(run: RunInfo, verdict: Verdict) -> About:
    return About(
        version=run.gtrace_version,
        title=facts.title_of(run),
        command=facts.command_line(run),
        started=run.started_at,
        python=facts.python_of(run),
        verdict_code=verdict.code,
        verdict=safe_text(verdict.text),
    )


def _config(timeline: Timeline) -> dict[str, Any]:
    run = timeline.run
    return {
        "duration": int(run.duration),
        "cores": run.cores,
        "freeThreaded": run.free_threaded,
        "switchInterval": round(run.switch_interval_s * 1e9),
        "callsKnownFrom": int(timeline.calls_known_from),
        "endsIn": facts.knows_ends_alone(run),
        "title": facts.title_of(run),
        "states": state_entries(),
        "evidence": evidence_entries(),
        "causes": [WAKEUP_CAUSES[cause] for cause in CAUSES.categories],
        "threads": _threads(timeline),
        "joins": _joins(timeline),
        "standing": _standing(timeline),
    }


def _joins(timeline: Timeline) -> list[dict[str, Any]]:
    """Who waited for whose end, by lane; a join whose joined thread is not known is left out."""
    joins, threads = timeline.joins, timeline.threads
    if joins.empty:
        return []
    pid, tid, joined, begin, end = (
        joins[name].to_numpy("int64") for name in ("pid", "tid", "joined_tid", "time_ns", "end_ns")
    )
    lanes = lanes_at(threads, pid, tid, begin), lanes_at(threads, pid, joined, end)
    columns = [*(column.tolist() for column in (*lanes, begin, end)), joins["outcome"].tolist()]
    rows = zip(*columns, strict=True)
    return [
        {"lane": lane, "joined": whose, "from": start, "to": stop, "outcome": outcome}
        for lane, whose, start, stop, outcome in rows
        if lane >= 0 and whose >= 0
    ]


def _standing(timeline: Timeline) -> list[dict[str, Any]]:
    """How threads stood to locks when the program was asked to end; a lane is -1 where it is not known."""
    shorten = shortener(timeline.run)
    return [
        {
            "lane": int(row["lane"]),
            "role": "waits for" if row["role"] == "waits" else "has",
            "lock": safe_text(str(row["name"] or row["kind"])),
            "kind": safe_text(str(row["kind"])),
            "where": shorten(safe_text(str(row["where"] or ""))),
            "owner": int(row["owner_lane"]),
            "at": int(row["time_ns"]),
            "evidence": str(row["evidence"]),
        }
        for row in timeline.standing.to_dict("records")
    ]


def _threads(timeline: Timeline) -> list[dict[str, Any]]:
    names = timeline.threads.set_index("tid")["name"].to_dict()
    shorten = shortener(timeline.run)
    return [
        {
            "name": safe_text(str(row["name"])) or f"thread {row['tid']}",
            "tid": int(row["tid"]),
            "pid": int(row["pid"]),
            "daemon": bool(row["daemon"]),
            "parent": safe_text(str(names.get(row["parent_tid"], ""))),
            "target": safe_text(str(row["target"])),
            "created": shorten(safe_text(str(row["created"]))),
            "start": int(row["start_ns"]),
            "end": int(row["end_ns"]),
            "ended": bool(row["ended"]),
            "native": row["kind"] == "native",
            "started": row["kind"] == "native" and row["pid"] not in timeline.run.pids,
        }
        for row in timeline.threads.to_dict("records")
    ]
