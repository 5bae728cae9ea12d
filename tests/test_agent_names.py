"""Names that are not UTF-8 reach viztracer's extension with escapes; it would crash at any other."""

from __future__ import annotations

import pytest
from launching import bare, recorded

from gtrace.recorder import agent
from gtrace.recording import load

pytest.importorskip("viztracer")

PROGRAM = r"""
import gc
def fail(): raise ValueError("as it should")
def run():
    space = {"fail": fail}
    code = "def \u00e9tude(): fail()\ntry: \u00e9tude()\nexcept ValueError as error: print(error)"
    exec(compile(code, "bad\udc80.py", "exec"), space)
    space.clear()
run()
# nothing is left of it that could be found when the calls are saved
gc.collect()
"""


def test_calls_of_a_file_whose_name_is_not_utf8_are_recorded(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert recorded(tmp_path / "run.gtrace", program) == bare(program)
    (process,) = load(tmp_path / "run.gtrace").processes
    names = list(process.load_calls().table["name"].cat.categories)
    assert r"étude (bad\udc80.py:1)" in names
    assert any(name.startswith("fail (") for name in names)
    assert process.registry.notes == []


def test_a_file_that_is_no_loaded_module_has_nothing_to_guard(tmp_path):
    assert agent.guard_names(str(tmp_path / "no.so")) is False
