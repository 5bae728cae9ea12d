"""The layout holds: imports point one way, and functions and modules stay small."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "gtrace"

BASE: Final = {"errors", "model"}
READING: Final = BASE | {"evidence", "recording"}
MAY_IMPORT: Final[dict[str, set[str]]] = {
    "errors": set(),
    "model": {"errors"},
    "evidence": BASE,
    "recorder": BASE,
    "recording": BASE | {"evidence", "recorder"},
    "timeline": READING,
    "analysis": READING | {"timeline"},
    "lab": READING | {"timeline", "analysis"},
    "report": READING | {"timeline", "analysis", "lab"},
    "export": READING | {"timeline", "analysis"},
    "cli": READING | {"timeline", "analysis", "lab", "report", "export"},
    "notebook": READING | {"timeline", "analysis", "report"},
    "__main__": {"cli"},
    "__init__": READING | {"timeline", "analysis", "report", "export", "notebook"},
}
"""Every module or package directly below gtrace, and which others it may import."""

STARTS_THE_RECORDER: Final = ("gtrace.recorder.folder", "gtrace.recorder.launch")
"""The modules of the recorder that run outside the traced program; the command line calls these two."""

KEPT_OUT_OF_THE_TRACED_PROGRAM: Final = {
    "hypothesis", "jinja2", "msgspec", "numpy", "pandas", "plotly", "pyarrow", "pytest", "rich",
}  # fmt: skip

MAX_FUNCTION_LINES: Final = 39
MAX_MODULE_LINES: Final = 399


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def sources(package: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(package.rglob("*.py")):
        yield path, parsed(path)


def imported(path: Path, tree: ast.Module, package: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import, also of those inside functions; relative ones resolved."""
    here = ("gtrace", *path.relative_to(package).with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: -node.level]] if node.level else []
            base += [node.module] if node.module else []
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)


def layer(path: Path, package: Path) -> str:
    return path.relative_to(package).with_suffix("").parts[0]


def wrong_imports(package: Path) -> list[str]:
    """Imports of gtrace by gtrace that point against ``MAY_IMPORT``, as ``file:line: name``."""
    found = []
    for path, tree in sources(package):
        own = layer(path, package)
        for line, name in imported(path, tree, package):
            parts = name.split(".")
            if parts[0] != "gtrace" or not is_layer(parts[1:2], package):
                continue
            if own == "cli" and name.startswith(STARTS_THE_RECORDER):
                continue
            if parts[1] not in MAY_IMPORT[own] | {own}:
                found.append(f"{path.relative_to(package)}:{line}: {name}")
    return found


def is_layer(name: list[str], package: Path) -> bool:
    """Whether a name below gtrace is a module or package, and not ``__version__`` or the like."""
    return bool(name) and ((package / name[0]).is_dir() or (package / f"{name[0]}.py").is_file())


def long_functions(package: Path) -> list[str]:
    return [
        f"{path.relative_to(package)}:{node.lineno}: {node.name}: {length} lines"
        for path, tree in sources(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]


def long_modules(package: Path) -> list[str]:
    return [
        f"{path.relative_to(package)}: {length} lines"
        for path in sorted(package.rglob("*.py"))
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > MAX_MODULE_LINES
    ]


def modules(folder: str) -> list[str]:
    """Dotted names of all modules in a folder of gtrace that is a package."""
    return [
        ".".join(["gtrace", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if (path.parent / "__init__.py").exists() and path.stem != "__main__"
    ]


def test_every_part_of_the_package_has_its_place_in_the_order():
    parts = {layer(path, PACKAGE) for path, _ in sources(PACKAGE)}

    assert parts <= MAY_IMPORT.keys()


def test_the_order_has_no_cycle():
    placed: set[str] = set()
    while rest := MAY_IMPORT.keys() - placed:
        free = {name for name in rest if MAY_IMPORT[name] <= placed}
        assert free, f"{rest} import each other"
        placed |= free


def test_imports_point_one_way():
    assert wrong_imports(PACKAGE) == []


def test_recorder_and_what_comes_after_the_recording_never_import_each_other():
    after = {"timeline", "analysis", "report", "export", "cli"}

    assert not MAY_IMPORT["recorder"] & after
    assert all("recorder" not in MAY_IMPORT[name] for name in after)


def test_the_recorder_imports_only_the_standard_library_and_viztracer():
    outside = {
        f"{path.name}:{line}: {name}"
        for path, tree in sources(PACKAGE / "recorder")
        for line, name in imported(path, tree, PACKAGE)
        if name.split(".")[0] not in sys.stdlib_module_names | {"gtrace", "viztracer"}
    }

    assert outside == set()


def test_the_recorder_leaves_the_traced_program_free_of_what_only_the_report_needs():
    """Seen in a fresh interpreter, so that imports of imports count too."""
    program = f"""
import importlib, sys
for name in {modules("recorder")!r}:
    importlib.import_module(name)
print(*sorted({KEPT_OUT_OF_THE_TRACED_PROGRAM!r} & sys.modules.keys()))
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []


def test_functions_are_shorter_than_forty_lines():
    assert long_functions(PACKAGE) == []


def test_modules_are_shorter_than_four_hundred_lines():
    assert long_modules(PACKAGE) == []


@pytest.mark.parametrize(
    "line",
    [
        "import gtrace.report",
        "from gtrace.report.page import render",
        "from gtrace import report",
        "from ..report import page",
        "from .. import report",
        "def late():\n    from gtrace.report import page",
        "if TYPE_CHECKING:\n    import gtrace.report.page",
    ],
)
def test_every_spelling_of_a_wrong_import_is_found(tmp_path, line):
    for folder in ("timeline", "report"):
        (tmp_path / folder).mkdir()
    (tmp_path / "timeline" / "build.py").write_text(line + "\n")

    assert len(wrong_imports(tmp_path)) == 1


def test_the_command_line_starts_the_recorder_and_looks_no_further_into_it(tmp_path):
    for folder in ("cli", "recorder"):
        (tmp_path / folder).mkdir()
    (tmp_path / "cli" / "run.py").write_text(
        "from gtrace.recorder.launch import run_program\nfrom gtrace.recorder.threads import Registry\n"
    )

    assert wrong_imports(tmp_path) == ["cli/run.py:2: gtrace.recorder.threads.Registry"]


def test_imports_of_its_own_part_and_of_lower_ones_are_right(tmp_path):
    for folder in ("timeline", "evidence"):
        (tmp_path / folder).mkdir()
    (tmp_path / "timeline" / "build.py").write_text(
        "import gtrace\nimport pandas\nfrom gtrace import __version__, evidence\nfrom . import fold\n"
    )

    assert wrong_imports(tmp_path) == []


def test_a_function_or_module_that_is_too_long_is_found(tmp_path):
    body = "    pass\n"
    (tmp_path / "long.py").write_text("def fits():\n" + body * 38 + "def is_long():\n" + body * 39)
    (tmp_path / "longer.py").write_text("pass\n" * 400)

    assert long_functions(tmp_path) == ["long.py:40: is_long: 40 lines"]
    assert long_modules(tmp_path) == ["longer.py: 400 lines"]
