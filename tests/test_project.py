"""What is shipped is what was written, and the README tells of all of it."""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Final

import pytest
from timelines import timeline

import gtrace
from gtrace.analysis.checks import VERDICTS
from gtrace.analysis.summary import summarize
from gtrace.model import State
from gtrace.timeline.timeline import INTERVAL_COLUMNS

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
installed = pytest.mark.skipif(
    not os.environ.get("GTRACE_TESTS_INSTALLED"), reason="this run is about the checkout, not a wheel"
)


def commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Every subcommand with its line of help and its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (helps.get(name, ""), sub) for name, sub in action.choices.items()}
    return {}


def cli() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    from gtrace.cli import build_parser

    return commands(build_parser())


def shown(folder: Path) -> Iterator[str]:
    """Files a page or the type checker needs, relative to the package."""
    for pattern in ("*.html", "*.css", "*.js", "*.j2", "*.pyi", "py.typed"):
        yield from (path.relative_to(folder).as_posix() for path in folder.rglob(pattern))


def imported_packages() -> set[str]:
    """Top-level names of what gtrace imports, the standard library and itself left out."""
    names = set()
    for path in (ROOT / "gtrace").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"gtrace"}


@installed
def test_the_tests_run_against_the_installed_wheel():
    assert not Path(gtrace.__file__).is_relative_to(ROOT / "gtrace")


@installed
def test_the_wheel_holds_every_page_file_and_stub():
    there = resources.files("gtrace")

    assert [name for name in shown(ROOT / "gtrace") if not there.joinpath(name).is_file()] == []


@installed
def test_the_wheel_holds_no_c_source():
    names = [str(file) for file in metadata.files("gtrace") or []]

    assert names
    assert [name for name in names if name.endswith((".c", ".h"))] == []


@installed
def test_the_installed_version_is_the_one_the_package_tells():
    assert metadata.version("gtrace") == gtrace.__version__


@installed
def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    requirements = metadata.requires("gtrace") or []
    declared = {re.split(r"[^\w-]", name)[0] for name in requirements if "extra ==" not in name}

    loaded_by_the_recorder = {"viztracer"}  # its C extension alone, which leaves no import statement
    assert imported_packages() | loaded_by_the_recorder == declared


def test_the_changelog_tells_of_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## {re.escape(gtrace.__version__)}\b", changelog, re.MULTILINE)


def test_the_main_path_is_within_reach_of_the_package():
    assert [name for name in gtrace.__all__ if not hasattr(gtrace, name)] == []


def test_every_command_has_help_and_so_has_every_option():
    silent = [name for name, (help_line, _) in cli().items() if not help_line]
    silent += [
        f"{name} {'/'.join(action.option_strings) or action.dest}"
        for name, (_, parser) in cli().items()
        for action in parser._actions
        if not action.help
    ]

    assert cli()
    assert silent == []


def test_the_readme_names_every_command():
    assert [name for name in cli() if f"gtrace {name}" not in README] == []


def test_the_readme_promises_no_command_that_is_not_there():
    promised = set(re.findall(r"^    gtrace (\w+)", README, re.MULTILINE))

    assert promised
    assert promised <= cli().keys()


def test_the_readme_explains_every_state():
    assert [state.value for state in State if f"| `{state.value}` |" not in README] == []


def test_the_readme_or_the_page_of_the_lab_names_every_workload():
    told = README + (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    workloads = [path.stem for path in sorted((ROOT / "workloads").glob("*.py"))]

    assert workloads
    assert [name for name in workloads if f"| `{name}` |" not in told] == []


def test_the_formats_tell_every_verdict_in_the_order_in_which_they_are_tried():
    formats = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    table = formats.partition("### The verdict's codes")[2].partition("\n## ")[0]

    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == VERDICTS


def test_the_formats_tell_every_column_of_the_intervals_and_every_key_of_the_summary():
    formats = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    _, intervals, summary, _ = re.split(
        r"^## The (?:intervals|summary|comparison).*$", formats, flags=re.MULTILINE
    )
    example = summarize(timeline("main 0-10 running"))

    assert [name for name in INTERVAL_COLUMNS if f"`{name}`" not in intervals] == []
    assert [
        name for name in {**example, **example["threads"][0]} if not re.search(rf"\b{name}\b", summary)
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_links_only_to_what_exists(document):
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text)

    for file, section in links:
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not section or section in anchors(target)


def anchors(document):
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_silence_of_a_command_is_found():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers()
    sub.add_parser("told", help="does something")
    sub.add_parser("silent")

    assert {name: text for name, (text, _) in commands(parser).items()} == {
        "told": "does something",
        "silent": "",
    }
