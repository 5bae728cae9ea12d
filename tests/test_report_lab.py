"""The page of the lab: what it says, and how tables and charts of several interpreters become one."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from labs import CALLS, H, N, finding, interpreter, labs, result

from gtrace.lab.claims import Chart, Curve, Finding, Outcome, Table
from gtrace.lab.results import Results
from gtrace.report.index import entries
from gtrace.report.lab import MARKS, quantity, render_lab
from gtrace.report.labmerge import charts, grids, number

HERE = Path("reports")


class Page(HTMLParser):
    """The text of the cells of every table, by its class, and what links to where."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.links, self.ids, self.verdict, self.open = {}, [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"])
        if tag == "table":
            self.rows = self.tables.setdefault((given.get("class") or "").split(" ")[0], [])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "br", "input", "circle"):
            self.open.append((tag, given.get("class")))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if {"td", "th"} & set(tags):
            self.rows[-1][-1] += data
        if self.open and self.open[-1] == ("p", "verdict-text"):
            self.verdict += data


def parsed(known, folder=HERE, expected=()):
    return Page(render_lab(known, folder, expected))


def test_the_matrix_has_a_row_a_claim_and_a_column_an_interpreter():
    rows = parsed(labs()).tables["matrix"]

    assert rows == [
        ["Claim", "3.12", "3.13", "3.14"],
        ["The claim called everywhere.", "✓ holds", "✓ holds", "✓ holds"],
        ["The claim called nowhere.", "✗ does not hold", "✗ does not hold", "✗ does not hold"],
        ["The claim called newer.", "– not on this interpreter", "✓ holds", "✗ does not hold"],
        ["The claim called unclear.", "? not measured", "? not measured", "– not on this interpreter"],
    ]


def test_every_outcome_has_a_word_and_a_symbol_of_its_own():
    assert set(MARKS) == {*Outcome, None}
    assert len({mark.symbol for mark in MARKS.values()}) == len(MARKS)
    assert len({mark.word for mark in MARKS.values()}) == len(MARKS)


def test_a_claim_that_one_lab_did_not_try_is_not_run_there():
    one, two, three = labs()
    rows = parsed([one, replace(two, results=two.results[1:]), three]).tables["matrix"]

    assert min(rows[1:]) == ["The claim called everywhere.", "✓ holds", "· not run", "✓ holds"]


def test_the_page_opens_with_how_many_claims_hold():
    assert parsed(labs()).verdict == (
        "Of 4 claims on 3 interpreters, 1 holds wherever measured, 1 depends on the interpreter, "
        "1 holds nowhere, 1 could not be judged."
    )
    assert parsed(labs()[1:2]).verdict == (
        "Of 4 claims on Python 3.13, 2 hold, 1 does not hold, 1 could not be measured."
    )
    assert parsed([]).verdict == "Nothing was measured."


def test_interpreters_that_were_expected_and_are_missing_are_named():
    page = render_lab(labs(), HERE, ["3.12", "3.14", "3.14t", "3.15", "3.14t"])

    assert "Not run, for want of the interpreter: 3.14t, 3.15." in page
    assert "Not run" not in render_lab(labs(), HERE, ["3.12", "3.13", "3.14"])


def test_a_build_without_a_gil_is_not_the_one_with_it():
    free = replace(labs()[2], interpreter=interpreter((3, 14, 8), free_threaded=True))
    page = render_lab([free], HERE, ["3.14", "3.14t"])

    assert "Not run, for want of the interpreter: 3.14." in page
    assert "cpython 3.14.8t, no GIL" in page


def test_every_claim_of_the_matrix_leads_to_its_details():
    page = parsed(labs())
    targets = [link.removeprefix("#") for link in page.links if link.startswith("#claim-")]

    assert len(targets) == 4
    assert set(targets) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_pages_of_runs_are_linked_from_where_the_page_stands():
    one = labs()[0]
    linked = replace(one, results=(replace(one.results[0], page="reports/lab/3.12-a b#1.html"),))

    assert "lab/3.12-a%20b%231.html" in parsed([linked]).links
    assert "../reports/lab/3.12-a%20b%231.html" in parsed([linked], Path("elsewhere")).links


def test_the_same_results_give_the_same_page():
    assert render_lab(labs(), HERE, ["3.15"]) == render_lab(labs(), HERE, ["3.15"])


def test_the_index_of_pages_lists_it(tmp_path):
    (tmp_path / "lab.html").write_text(render_lab(labs(), tmp_path), encoding="utf-8")

    [entry] = entries(tmp_path)
    assert (entry.title, entry.command, entry.python) == ("The lab", "gtrace lab", "3.12, 3.13, 3.14")
    assert entry.started_at == 1_790_000_000.0
    assert entry.verdict.startswith("Of 4 claims")


def test_figures_have_median_spread_and_a_mark_for_each_repeat():
    page = render_lab(labs(), HERE)
    rows = Page(page).tables["figures"]

    assert rows[0] == ["Median of the repeats, least to greatest", "3.12", "3.13", "3.14"]
    assert rows[1] == [
        "waited",
        "5.10 ms4.90 ms to 5.20 ms",
        "5.20 ms4.90 ms to 6.10 ms",
        "5.20 ms4.90 ms to 7.10 ms",
    ]
    assert rows[2] == ["share", "93 %", "93 %", "93 %"]
    assert page.count("<circle") % 3 == 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00512, "s", "5.12 ms"),
        (1.5, "s", "1.50 s"),
        (0.0, "s", "0 s"),
        (0.9996, "s", "1.00 s"),
        (2.5e-6, "s", "2.50 µs"),
        (3e-9, "s", "3 ns"),
        (93.25, "%", "93.2 %"),
        (12345.0, "", "12,345"),
        (0.0312, "", "0.0312"),
        (-2.25, "", "-2.25"),
        (1e20, "", "1.00e+20"),
    ],
)
def test_numbers_read_well(value, unit, text):
    assert quantity(value, unit) == text


def table(*rows, columns=("call", "GIL", "share", "size")):
    return Table("Atlas", columns, rows)


def merged(**tables):
    return grids({name: Finding(H, "", tables=(one,)) for name, one in tables.items()})


def texts(grid):
    return [[cell.text for cell in row] for row in grid.rows]


def test_tables_of_one_title_become_one_with_a_column_an_interpreter():
    [grid] = merged(
        a=table(("sin", "keeps", 0, "1"), ("sleep", "lets go", 98, "1")),
        b=table(("sin", "keeps", 0, "1"), ("sleep", "keeps", 3, "1")),
    )

    assert grid.head == ("call", "a", "b", "size")
    assert texts(grid) == [["sin", "keeps", "keeps", "1"], ["sleep", "lets go", "keeps", "1"]]
    assert grid.differs == (False, True)
    assert grid.shared == 1
    assert grid.has_details
    assert [cell.small for cell in grid.rows[1]] == ["", "share 98", "share 3", ""]


def test_rows_only_one_interpreter_has_stand_where_it_has_them():
    [grid] = merged(
        a=table(("bz2", "lets go", 1, "1"), ("json", "keeps", 0, "1")),
        b=table(("bz2", "lets go", 1, "1"), ("zstd", "lets go", 2, "1"), ("json", "keeps", 0, "1")),
    )

    assert texts(grid) == [
        ["bz2", "lets go", "lets go", "1", "1"],
        ["zstd", "–", "lets go", "2", "1"],
        ["json", "keeps", "keeps", "0", "1"],
    ]
    assert grid.differs == (False, False, False)


def test_several_numbers_get_a_row_a_quantity():
    columns = ("way", "CPU", "waited", "unit")
    [grid] = merged(
        a=table(("poll", 40, 1.5, "ms"), ("event", 1, "9%", "ms"), columns=columns),
        b=table(("poll", 50, 2.5, "ms"), ("event", 2, "8%", "ms"), columns=columns),
    )

    assert grid.head == ("quantity", "way", "a", "b", "unit")
    assert texts(grid) == [
        ["CPU", "poll", "40", "50", "ms"],
        ["CPU", "event", "1", "2", "ms"],
        ["waited", "poll", "1.50", "2.50", "ms"],
        ["waited", "event", "9%", "8%", "ms"],
    ]
    assert grid.differs == (False,) * 4
    assert not any(cell.odd for row in grid.rows for cell in row)


def test_what_came_out_has_the_columns_even_where_only_how_much_differs():
    [grid] = merged(a=table(("sin", "keeps", 0, "1")), b=table(("sin", "keeps", 3, "1")))

    assert grid.head == ("call", "a", "b", "size")
    assert texts(grid) == [["sin", "keeps", "keeps", "1"]]
    assert [cell.small for cell in grid.rows[0]][1:3] == ["share 0", "share 3"]


def test_tables_that_say_the_same_are_one_that_says_so():
    same = table(("sin", "keeps", 0, "1"))
    [grid] = merged(a=same, b=same)

    assert grid.title == "Atlas, the same on all 2"
    assert grid.head == ("call", "GIL", "share", "size")


def test_one_number_gets_a_column_an_interpreter():
    [grid] = merged(a=table(("x", 1), columns=("what", "time")), b=table(("x", 2), columns=("what", "time")))

    assert grid.head == ("what", "a", "b")
    assert texts(grid) == [["x", "1", "2"]]


def test_the_cell_that_stands_against_most_others_is_marked():
    one, other = (table(("sin", word, 0, "1")) for word in ("keeps", "lets go"))
    [grid] = merged(a=one, b=other, c=one)
    [even] = merged(a=one, b=other)

    assert [cell.odd for cell in grid.rows[0]] == [False, False, True, False, False, False]
    assert [cell.odd for cell in even.rows[0]][1:3] == [True, True]


@pytest.mark.parametrize(
    "other",
    [
        table(("sin", "keeps"), columns=("call", "GIL")),
        table(("sin", "keeps", 0, "1"), ("sin", "lets go", 0, "9")),
    ],
    ids=["other columns", "a row twice"],
)
def test_tables_that_cannot_be_matched_stand_one_by_one(other):
    found = merged(a=table(("sin", "keeps", 0, "1")), b=other)

    assert [grid.title for grid in found] == ["Atlas, a", "Atlas, b"]


def test_a_table_of_one_interpreter_stands_as_it_is():
    [grid] = merged(a=table(("sin", True, None, 1234), ("cos",)))

    assert texts(grid) == [["sin", "yes", "–", "1,234"], ["cos", "–", "–", "–"]]
    assert grid.title == "Atlas"
    assert grid.numeric == (False, False, False, True)


def test_cells_that_a_table_mutes_stand_back():
    found = Finding(H, "", tables=(replace(table(("sin", "keeps", 0, "1")), muted=("keeps",)),))
    one = labs()[0]
    page = render_lab([replace(one, results=(result("a", found),))], HERE)

    assert re.search(r'<td class="muted ">keeps</td>', page)
    assert page.count('class="muted ') == 1


def test_percentages_are_numbers_to_sort_by():
    [grid] = merged(a=table(("sin", "9%", "25.5 %", "")))

    assert [cell.key for cell in grid.rows[0]] == [None, 9, 25.5, None]
    assert [cell.text for cell in grid.rows[0]] == ["sin", "9%", "25.5 %", "–"]


def chart(*curves):
    return Finding(H, "", charts=(Chart("Sweep", "x", "y", curves, "x"),))


def test_a_chart_of_one_interpreter_has_all_curves_in_one_panel():
    [drawn] = charts({"a": chart(Curve("one", ((1, 2, 1, 3),)), Curve("two", ()))})

    assert drawn["series"] == ["one", "two"]
    assert [[line["series"] for line in panel["lines"]] for panel in drawn["panels"]] == [[0, 1]]
    assert drawn["panels"][0]["lines"][0]["points"] == [[1, 2, 1, 3]]


def test_charts_of_several_interpreters_have_a_panel_a_curve():
    [drawn] = charts({
        "a": chart(Curve("one", ()), Curve("two", ())), "none": Finding(N, ""), "b": chart(Curve("two", ())),
    })  # fmt: skip

    assert drawn["series"] == ["a", "b"]
    assert [(panel["title"], [line["series"] for line in panel["lines"]]) for panel in drawn["panels"]] == [
        ("one", [0]),
        ("two", [0, 1]),
    ]


def test_an_atlas_of_all_calls_is_one_table():
    findings = {str(n): finding(H, n) for n in range(3)}
    [grid] = grids(findings)

    assert [row[0].text for row in grid.rows] == list(CALLS)
    assert grid.head == ("call", "0", "1", "2", "sizes")


HOSTILE = "</script></style><img src=x onerror=window.hacked=1> \u202e \ud800 \x1b[2J"


def hostile_lab():
    found = Finding(
        Outcome.FAILS,
        HOSTILE,
        tables=(Table(HOSTILE, (HOSTILE, "b"), ((HOSTILE, 1),)),),
        charts=(Chart(HOSTILE, HOSTILE, HOSTILE, (Curve(HOSTILE, ((1, 2, 1, 3),)),)),),
    )
    one = replace(result(HOSTILE, found), claim=HOSTILE, source=HOSTILE, notes=(HOSTILE,), runs=(HOSTILE,))
    return Results(interpreter(platform=HOSTILE, executable=HOSTILE, implementation=HOSTILE), HOSTILE, (one,))


def test_hostile_text_stays_text():
    page = render_lab([hostile_lab()], HERE, [HOSTILE])

    assert "<img" not in page
    assert not re.search("[\u202e\ud800\x1b]", page)
    page.encode("utf-8")


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e300, 253402300800.0])
def test_a_time_that_is_none_is_not_known(seconds):
    assert '<td class="when">not known</td>' in render_lab([replace(labs()[0], measured_at=seconds)], HERE)


def test_large_and_small_numbers_stay_short():
    assert [number(value) for value in (0, 1e15, 1e-9, -1234.5, 99.96)] == [
        "0",
        "1.00e+15",
        "1.00e-09",
        "-1,234",
        "100",
    ]
