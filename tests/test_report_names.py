from __future__ import annotations

from dataclasses import replace

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.report.columns import pack
from gtrace.report.names import shortener


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("work (/home/ada/app/jobs.py:3)", "work (jobs.py:3)"),
        ("work (/home/ada/app/deep/er.py:3)", "work (deep/er.py:3)"),
        ("work (/home/ada/apple/jobs.py:3)", "work (/home/ada/apple/jobs.py:3)"),
        ("wait (/usr/lib/python3.12/threading.py:300)", "wait (python3.12/threading.py:300)"),
        ("get (/opt/v/lib/python3.13t/site-packages/web/app.py:1)", "get (site-packages/web/app.py:1)"),
        ("<module> (<frozen zipimport>:1)", "<module> (<frozen zipimport>:1)"),
        ("time.sleep", "time.sleep"),
        (
            "a (/home/ada/app/x.py:1);b (/usr/lib/python3.12/queue.py:9);time.sleep",
            "a (x.py:1);b (python3.12/queue.py:9);time.sleep",
        ),
    ],
)
def test_a_path_keeps_what_tells_it_from_others(text, shown):
    assert shortener(replace(EXACT_RUN, cwd="/home/ada/app"))(text) == shown


@pytest.mark.parametrize("cwd", ["", "/"])
def test_where_the_folder_is_not_known_paths_stay(cwd):
    assert shortener(replace(EXACT_RUN, cwd=cwd))("work (/jobs/a.py:3)") == "work (/jobs/a.py:3)"


@pytest.mark.parametrize("command", [("/srv/app/run.py", "x"), ("python", "/srv/app/run.py", "/a/b/c.py")])
def test_functions_beside_a_script_elsewhere_keep_its_folder(command):
    shorten = shortener(replace(EXACT_RUN, cwd="/home/ada", command=command))
    assert shorten("f (/srv/app/deep/x.py:3)") == "f (app/deep/x.py:3)"
    assert shorten("f (/srv/application/x.py:3)") == "f (application/x.py:3)"
    assert shorten("f (/home/ada/x.py:3);g (/a/b/c.py:1)") == "f (x.py:3);g (/a/b/c.py:1)"


def test_the_pages_functions_are_short_ones():
    known = timeline(f'main 0-10 running "f ({EXACT_RUN.cwd}/a.py:3)" caller="g ({EXACT_RUN.cwd}/b.py:1)"')
    assert pack(known).header["functions"] == ["f (a.py:3)", "g (b.py:1)"]
