"""``gtrace report`` and the part of a run its page is of."""

from __future__ import annotations

from pathlib import Path

import pytest
from launching import gtrace as gtrace_process

pytestmark = pytest.mark.usefixtures("in_tmp_path")

PROGRAM = "import time\nfor _ in range(20): time.sleep(0.005)"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "r.gtrace"
    ended = gtrace_process("run", "--no-report", "--quiet", "-o", path, "-c", PROGRAM)
    assert ended.status == 0, ended.stderr
    return path


def test_a_page_is_of_the_whole_run_unless_told(gtrace, recording, tmp_path):
    page = tmp_path / "p.html"
    assert gtrace("report", recording, "-o", page, "--quiet").status == 0
    assert 'id="part"' not in page.read_text("utf-8")


def test_from_and_to_choose_the_part_that_a_page_is_of(gtrace, recording, tmp_path):
    page = tmp_path / "p.html"
    assert gtrace("report", recording, "-o", page, "--quiet", "--from", "0.02", "--to", "0.05").status == 0
    assert "This page holds every interval from 0.02 s to 0.05 s of a run" in page.read_text("utf-8")


def test_run_takes_them_too(gtrace, tmp_path):
    page = tmp_path / "p.html"
    ended = gtrace(
        "run", "--quiet", "-o", tmp_path / "r.gtrace", "--report", page, "--to", "0.01", "-c", PROGRAM
    )
    assert ended.status == 0
    assert "This page holds every interval from 0 s to 0.01 s of a run" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--from", "500"), "the run lasted"),
        (("--from", "2", "--to", "1"), "--to 1 is not after --from 2"),
        (("--to", "0"), "--to 0 is not after --from 0"),
        (("--from", "soon"), "not a time in seconds since the start: soon"),
    ],
)
def test_a_part_without_anything_in_it_is_an_error_of_one_line(gtrace, recording, options, why):
    ended = gtrace("report", recording, "-o", "p.html", "--quiet", *options)
    assert ended.status == 2
    assert why in ended.stderr
    assert not Path("p.html").exists()
