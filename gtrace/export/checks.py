"""Checks as JUnit XML and as annotations of GitHub's workflows."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from gtrace.analysis.checks import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.analysis.checks import Check
    from gtrace.timeline.timeline import RunInfo

SUITE: Final = "gtrace check"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNSHOWABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_COMMAND: Final = re.compile("##(?=\\[)")
"""The older spelling of a workflow command is obeyed wherever it stands in a line."""


def junit_xml(checks: Sequence[Check], subject: str, run: RunInfo) -> str:
    """A JUnit report: one test case a limit; ``subject`` names what was checked.

    What is not known is an error, so that it can be told from a limit that was broken.
    """
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    root = ET.Element("testsuites")
    started = datetime.fromtimestamp(run.started_at, tz=timezone.utc)
    suite = ET.SubElement(root, "testsuite", {
        "name": SUITE, "package": "gtrace", "id": "0", "hostname": "localhost",
        "timestamp": started.strftime("%Y-%m-%dT%H:%M:%S"), "time": "0",
        "tests": str(len(checks)), "failures": str(counts[Status.FAILED]),
        "errors": str(counts[Status.NOT_KNOWN]),
    })  # fmt: skip
    ET.SubElement(suite, "properties")
    for check in checks:
        _add_case(suite, check, subject)
    ET.SubElement(suite, "system-out").text = _legal("\n".join(check.text for check in checks))
    ET.SubElement(suite, "system-err").text = ""
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, check: Check, subject: str) -> None:
    names = {"classname": _legal(subject), "name": _legal(check.name), "time": "0"}
    case = ET.SubElement(suite, "testcase", names)
    if check.status is not Status.OK:
        tag = "failure" if check.status is Status.FAILED else "error"
        told = ET.SubElement(case, tag, {"message": _legal(check.text), "type": check.status.value})
        told.text = _legal(f"{check.name}\n{check.text}")


def _legal(text: str) -> str:
    """Text without the characters that XML 1.0 has no form for."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def annotation(check: Check) -> str:
    """A line that GitHub shows as an error beside the workflow."""
    return f"::error title={_property(f'{SUITE} {check.name}')}::{_data(check.text)}"


def inert(line: str) -> str:
    """A line that no workflow takes for a command, whatever names stand in it."""
    return _COMMAND.sub("# #", line)


def _data(text: str) -> str:
    shown = inert(_UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text))
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
