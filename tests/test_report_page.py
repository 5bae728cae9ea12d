from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from launching import printed
from timelines import EXACT_RUN, INFERRED_RUN, synthetic, timeline

from gtrace.model import State
from gtrace.report import render
from gtrace.report.page import SCRIPTS
from gtrace.report.template import asset

HOSTILE = "</script><img src=x onerror=alert(1)>"
HAND_MADE = f"""
main  0-100  running "{HOSTILE} (x.py:1)"
"{HOSTILE}"  0-40  gil_wait f <- main
"{HOSTILE}"  40-100  sleep reason="{HOSTILE}"
"""
HOSTILE_RUN = replace(
    EXACT_RUN, command=("python", HOSTILE), cwd=HOSTILE, executable=HOSTILE, notes=(HOSTILE,), exit_status=3,
    evidence={"calls": f"none: {HOSTILE}"},
)  # fmt: skip


class Outline(HTMLParser):
    """The elements of a page and the text outside its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: dict[str, str] = {}
        self.inside: tuple[str, str] = ("", "")
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside = (tag, dict(attrs).get("id") or "")

    def handle_endtag(self, tag):
        if tag == self.inside[0]:
            self.inside = ("", "")

    def handle_data(self, data):
        tag, name = self.inside
        if not tag:
            self.text += data
        elif name:
            self.raw[name] = self.raw.get(name, "") + data

    def count(self, tag):
        return sum(1 for name, _ in self.tags if name == tag)


@pytest.fixture(scope="module")
def hostile():
    return Outline(render(timeline(HAND_MADE, HOSTILE_RUN)))


def test_names_of_the_program_are_text_wherever_they_stand(hostile):
    assert hostile.count("img") == 0
    assert hostile.count("script") == 5  # theme, data, columns, the page's own, plotly
    assert hostile.text.count(HOSTILE) >= 5
    assert not any(name.startswith("on") for _, attributes in hostile.tags for name in attributes)


def test_names_of_the_program_reach_the_script_whole(hostile):
    config = json.loads(hostile.raw["config"])
    assert [thread["name"] for thread in config["threads"]] == ["main", HOSTILE]
    assert f"{HOSTILE} (x.py:1)" in config["columns"]["functions"]
    assert HOSTILE in config["columns"]["reasons"]


def test_a_page_names_no_other_place(hostile):
    for _, attributes in hostile.tags:
        for name in ("src", "href", "action", "data"):
            assert not (attributes.get(name) or "#").replace("#timeline", "#").strip("#")
    policy = next(a["content"] for tag, a in hostile.tags if tag == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def of_many_lanes():
    return render(synthetic(3000, 6, seed=4))


def test_two_renders_are_the_same_bytes_even_in_another_process():
    code = "from test_report_page import of_many_lanes; print(of_many_lanes(), end='')"

    assert printed(code, PYTHONHASHSEED="1") == of_many_lanes()


def test_a_page_can_be_encoded_and_has_the_plotting_library_once():
    page = render(synthetic(100, 2))
    assert len(page.encode("utf-8")) < 2_500_000
    assert page.count('id="plotly"') == 1


def test_a_page_tells_the_index_what_it_is(hostile):
    meta = {a["name"]: a["content"] for tag, a in hostile.tags if tag == "meta" and a.get("name")}
    assert meta["gtrace-title"] == "python " + HOSTILE
    assert meta["gtrace-started"] == "1790000000.000"
    assert meta["gtrace-verdict"]


def test_a_run_that_failed_says_so_at_the_top(hostile):
    assert "exit status 3" in hostile.text
    assert "exit status" not in Outline(render(timeline("main 0-1 running"))).text.split("Verdict")[0]


def test_the_banner_stands_only_over_inferred_pages():
    inferred = timeline("main 0-1 running evidence=inferred", INFERRED_RUN)
    assert "Calls alone cannot tell running from gil_wait" in render(inferred)
    assert "Calls alone cannot tell" not in Outline(render(timeline("main 0-1 running"))).text


def test_every_state_is_defined_on_the_page(hostile):
    glossary = hostile.text[hostile.text.rindex("States") :]
    assert all(word in glossary for word in ("running", "GIL wait", "stalled", "preempted", "unknown"))
    assert len([a for tag, a in hostile.tags if tag == "span" and "swatch" in (a.get("class") or "")]) >= len(
        State
    )


def test_no_name_is_declared_twice_in_the_script():
    """The modules become one script, in which a second declaration would be an error."""
    names: dict[str, str] = {}
    pattern = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    for script in SCRIPTS:
        for name in pattern.findall(asset(script)):
            assert name not in names, f"{name} in {script} and {names[name]}"
            names[name] = script


def test_the_script_numbers_states_as_the_model_does():
    for name, state in (
        ("GIL_WAIT", State.GIL_WAIT),
        ("LOCK_WAIT", State.LOCK_WAIT),
        ("STALLED", State.STALLED),
    ):
        assert f"export const {name} = {list(State).index(state)};" in asset("aggregate.js")
    assert f"export const STATES = {len(State)};" in asset("aggregate.js")


def test_the_script_cannot_end_its_own_element():
    text = "".join(asset(script) for script in SCRIPTS).lower()
    assert "</script" not in text
    assert "<!--" not in text


def test_every_module_comes_after_those_it_imports():
    for place, script in enumerate(SCRIPTS):
        for needed in re.findall(r"^import [^;]*from '\./(\w+\.js)';", asset(script), re.MULTILINE):
            assert needed in SCRIPTS[:place], f"{script} imports {needed}"


def test_every_import_of_the_script_exists():
    for script in SCRIPTS:
        for words, source in re.findall(
            r"^import \{([^}]*)\} from '\./(\w+\.js)';", asset(script), re.MULTILINE
        ):
            for name in (word.strip() for word in words.split(",")):
                exported = rf"^export (?:async )?(?:function|const) {name}\b|^export \{{ {name} \}}"
                assert re.search(exported, asset(source), re.MULTILINE), f"{script}: {name} of {source}"
