"""What a program does, the recorder never changes: it is run with and without, and must do the same."""

from __future__ import annotations

import shutil
import sys
import zipfile

import pytest
from launching import PROGRAMS, bare, recorded

SIGNALS = ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGHUP", "SIGINT"]
LEFT_TO_OTHERS = {"accuracy", "identity", "killed", "leaves"}
"""Programs that take arguments, tested by functions of their own."""

ALONE = sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem not in LEFT_TO_OTHERS)


@pytest.mark.parametrize("program", ALONE)
def test_a_program_does_the_same_under_the_recorder(program, tmp_path):
    path = PROGRAMS / f"{program}.py"

    assert recorded(tmp_path / "r.gtrace", path) == bare(path)


@pytest.mark.parametrize("program", ["thread_errors", "interrupted_join", "exec_fails", "crash"])
def test_a_program_does_the_same_where_calls_are_left_out(program, tmp_path):
    path = PROGRAMS / f"{program}.py"

    assert recorded(tmp_path / "r.gtrace", path, calls=False) == bare(path)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_program_dies_by_the_signal_that_kills_it(name, tmp_path):
    arguments = PROGRAMS / "killed.py", name

    assert recorded(tmp_path / "r.gtrace", *arguments) == bare(*arguments)


@pytest.mark.parametrize(
    ("way", "value"),
    [("number", "3"), ("text", "a reason"), ("at once", "7"), ("at once from a thread", "8")],
)
def test_a_program_leaves_with_its_own_status(way, value, tmp_path):
    arguments = PROGRAMS / "leaves.py", way, value

    assert recorded(tmp_path / "r.gtrace", *arguments) == bare(*arguments)


def ways_to_start(folder):
    """Arguments of the interpreter that run ``identity.py``, in every way there is."""
    source = PROGRAMS / "identity.py"
    shutil.copy(source, folder / "identity.py")
    (folder / "package").mkdir()
    shutil.copy(source, folder / "package" / "__main__.py")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.write(source, "__main__.py")
    (folder / "linked.py").symlink_to(folder / "package" / "__main__.py")
    latin = (bytes(folder) + b"/gr\xfc\xdfe.py").decode(sys.getfilesystemencoding(), "surrogateescape")
    shutil.copy(source, latin)
    yield "script", ("identity.py", "a b", "--json", "-c"), b"input"
    yield "folder", ("package", "--x"), b""
    yield "archive", ("archive.zip",), b""
    yield "link", ("linked.py",), b""
    yield "module", ("-m", "identity", "-m"), b""
    yield "package", ("-m", "package", "x"), b""
    yield "code", ("-c", source.read_text(), "-c"), b""
    yield "stdin", ("-", "x"), source.read_bytes()
    yield "name that is not UTF-8", (latin,), b""


def test_a_program_finds_itself_as_it_would_without_us(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for way, arguments, stdin in ways_to_start(tmp_path):
        expected = bare(*arguments, stdin=stdin)
        assert expected.status == 0, way
        assert recorded(tmp_path / "r.gtrace", *arguments, stdin=stdin) == expected, way


def test_the_environment_is_what_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = PROGRAMS / "identity.py"
    for value in ("", f"{tmp_path}:relative:"):
        monkeypatch.setenv("PYTHONPATH", value)
        assert recorded(tmp_path / "r.gtrace", program) == bare(program)


def test_modules_of_the_program_win_over_those_the_recorder_needs(tmp_path):
    program = PROGRAMS / "shadowing"
    expected = bare(program)

    assert "json" in expected.stdout
    assert recorded(tmp_path / "r.gtrace", program) == expected


def test_a_sitecustomize_of_the_user_runs(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('customized', __name__, __file__)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    expected = bare("-c", "import sitecustomize; print(sitecustomize.__file__)")

    assert expected.stdout.startswith("customized")
    assert (
        recorded(tmp_path / "r.gtrace", "-c", "import sitecustomize; print(sitecustomize.__file__)")
        == expected
    )


def test_the_recorder_loads_nothing_that_only_the_page_needs(tmp_path):
    code = (
        "import sys; print({'pandas', 'plotly', 'numpy', 'msgspec', 'rich', 'asyncio'} & sys.modules.keys())"
    )

    assert recorded(tmp_path / "r.gtrace", "-c", code).stdout == "set()\n"
