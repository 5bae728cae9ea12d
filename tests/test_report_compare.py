"""The page of a comparison: hostile names are text, nothing is asked for, same input, same bytes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from launching import printed
from test_report_page import HOSTILE, HOSTILE_RUN, Outline
from timelines import EXACT_RUN, synthetic, timeline

from gtrace.analysis.compare import Variant, compare
from gtrace.analysis.measuring import measure
from gtrace.report import compare as page
from gtrace.report.compare import COMPARE_SCRIPTS, Shown, render_comparison
from gtrace.report.index import render_index
from gtrace.report.part import OVERHEAD_BYTES
from gtrace.report.template import asset

RUN = "main 0-100 running f\nw-1 0-{} gil_wait g <- main\nw-1 {}-100 sleep"


def shown(name, *timelines):
    return Shown(Variant(name, tuple(measure(one) for one in timelines)), 0, timelines[0])


def waiting(*milliseconds, run=EXACT_RUN):
    return [timeline(RUN.format(ms, ms), run) for ms in milliseconds]


def render(*variants):
    return render_comparison(variants, compare([one.variant for one in variants]))


@pytest.fixture(scope="module")
def outline():
    return Outline(render(shown("before", *waiting(60, 61, 62)), shown("after", *waiting(20, 21, 22))))


@pytest.fixture(scope="module")
def hostile():
    run = replace(HOSTILE_RUN, evidence=EXACT_RUN.evidence)
    text = f'"{HOSTILE}" 0-100 running "{HOSTILE} (x.py:1)"\n'
    text += f'"{HOSTILE}2" 0-{{}} gil_wait f\n"{HOSTILE}2" {{}}-100 sleep'
    first, last = (timeline(text.format(ms, ms), run) for ms in (60, 20))
    return Outline(render(shown(HOSTILE, first), shown(f"{HOSTILE} after", last)))


def words(outline):
    return " ".join(outline.text.split())


def test_the_largest_difference_stands_first(outline):
    text = words(outline)

    assert (
        "before → after: what differs by more than the noise GIL wait 61.0 ms → 21.0 ms −66 % noise ±" in text
    )
    assert "49 of 50 cases" in text
    assert text.index("GIL wait 61.0 ms") < text.index("Numbers") < text.index("Timelines")


def test_without_repeats_the_page_says_that_it_may_be_noise():
    text = words(Outline(render(shown("a", *waiting(60)), shown("b", *waiting(20)))))

    assert "without repeats it may be noise" in text
    assert "there is no telling a difference from noise" in text
    assert "49 of 50 cases" not in text


def test_every_measure_stands_beside_its_spread(outline):
    rows = {
        attributes["data-measure"]: attributes.get("class")
        for tag, attributes in outline.tags
        if tag == "tr" and "data-measure" in attributes
    }

    assert rows["gil_wait"] == "named"
    assert rows["wall"] is None
    assert "native" not in rows
    assert "61.0 ms60.0–62.0 ms" in words(outline)


def test_names_of_the_program_are_text_wherever_they_stand(hostile):
    assert hostile.count("img") == 0
    assert hostile.count("script") == 5  # theme, data, columns of two runs, the page's own
    assert hostile.text.count(HOSTILE) >= 8
    assert not any(name.startswith("on") for _, attributes in hostile.tags for name in attributes)


def test_names_of_the_program_reach_the_script_whole(hostile):
    config = json.loads(hostile.raw["config"])

    assert [thread["name"] for thread in config["runs"][0]["threads"]] == [HOSTILE, f"{HOSTILE}2"]


def test_the_page_names_no_other_place(outline):
    for _, attributes in outline.tags:
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")
    policy = next(a["content"] for tag, a in outline.tags if tag == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def of_two_sizes():
    return render(shown("a", synthetic(900, 6, seed=4)), shown("b", synthetic(900, 5, seed=5)))


def test_two_renders_are_the_same_bytes_even_in_another_process():
    code = "from test_report_compare import of_two_sizes; print(of_two_sizes(), end='')"

    assert printed(code, PYTHONHASHSEED="1") == of_two_sizes()


def test_the_index_lists_a_comparison(tmp_path):
    text = render(shown("before", *waiting(60)), shown("after", *waiting(20)))
    (tmp_path / "compare.html").write_text(text, "utf-8")

    assert "before → after" in render_index(tmp_path)


def test_a_page_needs_no_plotting_library():
    assert len(render(shown("a", *waiting(60)), shown("b", *waiting(20)))) < 400_000


def test_runs_too_large_for_a_page_are_drawn_from_their_start_and_that_is_said(monkeypatch):
    monkeypatch.setattr(page, "MOST_BYTES", 2 * (OVERHEAD_BYTES + 60_000))
    large = synthetic(40_000, 4, seed=1)
    outline = Outline(render(shown("a", large), shown("b", large)))

    assert "to keep the page small" in outline.text
    assert 30_000 < len(outline.raw["blob-0"]) < 60_000


def test_pools_beyond_those_with_most_time_are_counted():
    many = timeline("\n".join(f'"{"abcdefghijklmnopqrstuvwxyz"[i]}" 0-{i + 1} running' for i in range(26)))
    outline = Outline(render(shown("x", many), shown("y", many)))

    assert "2 more with less time are not drawn" in outline.text


def test_a_run_without_threads_has_a_page():
    empty = timeline("main 0-100 running")
    empty = replace(empty, threads=empty.threads.iloc[:0], intervals=empty.intervals.iloc[:0])

    assert "No difference worth a word" in Outline(render(shown("a", empty), shown("b", empty))).text


def test_no_name_is_declared_twice_in_the_script():
    names: dict[str, str] = {}
    pattern = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    for script in COMPARE_SCRIPTS:
        for name in pattern.findall(asset(script)):
            assert name not in names, f"{name} in {script} and {names[name]}"
            names[name] = script


def test_every_import_of_the_script_exists_and_comes_before():
    for place, script in enumerate(COMPARE_SCRIPTS):
        for imported, source in re.findall(
            r"^import \{([^}]*)\} from '\./(\w+\.js)';", asset(script), re.MULTILINE
        ):
            assert source in COMPARE_SCRIPTS[:place], f"{script} imports {source}"
            for name in (word.strip() for word in imported.split(",")):
                exported = rf"^export (?:async )?(?:function|const) {name}\b|^export \{{ {name} \}}"
                assert re.search(exported, asset(source), re.MULTILINE), f"{script}: {name} of {source}"
