from __future__ import annotations

from dataclasses import replace

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.report import render
from gtrace.report.index import entries, render_index

HOSTILE = "</a><script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path):
    for name, when in (("old", 1_000_000.0), ("new one", 2_000_000.0)):
        run = replace(EXACT_RUN, command=("python", f"{name}.py", HOSTILE), started_at=when)
        (tmp_path / f"{name}.html").write_text(render(timeline("main 0-1 running", run)), encoding="utf-8")
    (tmp_path / "notes.html").write_text("<p>not a page of ours", encoding="utf-8")
    (tmp_path / "index.html").write_text("an older index", encoding="utf-8")
    (tmp_path / "broken.html").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.html").mkdir()
    return tmp_path


def test_pages_are_listed_newest_first_and_nothing_else(folder):
    found = entries(folder)
    assert [entry.title for entry in found] == ["new one.py", "old.py"]
    assert found[0].started == "1970-01-24 03:33 UTC"
    assert all(entry.verdict for entry in found)


def test_the_index_links_pages_and_shows_commands_as_text(folder):
    page = render_index(folder)
    assert 'href="new%20one.html"' in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    assert "gtrace run" in render_index(tmp_path)
