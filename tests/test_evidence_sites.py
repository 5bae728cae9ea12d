"""Call sites as they are read: the format, the lines of every code object there is, and damage."""

from __future__ import annotations

import argparse
import ast
import asyncio.base_events
import dataclasses
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator

import numpy as np
import pytest
from agent_support import AGENT, compile_c

from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.evidence import site_format
from gtrace.evidence.gil_format import CHUNK_BYTES, HEADER
from gtrace.evidence.line_table import line_of, lines_of
from gtrace.evidence.site_format import EntryKind
from gtrace.evidence.sites import Frame, read_sites

VERSION = sys.version_info[:2]
MODULES = (argparse, ast, asyncio.base_events, dataclasses, re, typing)
ODD = """
def far(x):
    yield x

    raise ValueError(
        x)
""" + "\n" * 3000 + "far(lambda: [n for n in range(9)])\n"  # fmt: skip


def codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant)


def compiled() -> Iterator[types.CodeType]:
    for module in MODULES:
        with open(module.__file__, encoding="utf-8") as file:
            yield from codes_of(compile(file.read(), module.__file__, "exec"))
    yield from codes_of(compile(ODD, "odd.py", "exec"))


def test_every_instruction_of_the_standard_library_has_the_line_that_python_says():
    count = 0
    for code in compiled():
        told = {at: line for start, end, line in code.co_lines() for at in range(start, end, 2)}
        read = {
            at: line
            for start, end, line in lines_of(code.co_linetable, code.co_firstlineno, VERSION)
            for at in range(start, end, 2)
        }
        assert read == told, code
        count += len(told)
    assert count > 10_000


@pytest.mark.skipif(VERSION < (3, 11), reason="3.10 has no positions")
def test_lines_are_those_of_the_positions_too():
    for code in codes_of(compile(ODD, "odd.py", "exec")):
        for at, (line, *_) in enumerate(code.co_positions()):
            assert line_of(code.co_linetable, code.co_firstlineno, at * 2, VERSION) == line


def test_a_function_that_has_not_begun_is_on_its_first_line():
    assert line_of(b"", 7, -1, VERSION) == 7


def test_an_instruction_behind_the_table_has_no_line():
    assert line_of(b"", 7, 2, (3, 10)) is None
    assert line_of(b"", 7, 2, (3, 11)) is None


@pytest.mark.parametrize("version", [(3, 10), (3, 11)])
def test_a_table_that_breaks_off_is_read_to_its_end(version):
    code = codes_of(compile(ODD, "odd.py", "exec")).__next__()
    for length in range(len(code.co_linetable)):
        assert all(end >= start for start, end, _ in lines_of(code.co_linetable[:length], 1, version))


def entry(kind: EntryKind, layout: np.dtype, more: bytes = b"", **fields: object) -> bytes:
    more += bytes(-len(more) % 8)
    row = np.zeros(1, layout)
    row["kind"], row["bytes"] = kind, layout.itemsize + len(more)
    for name, value in fields.items():
        row[name] = value
    return row.tobytes() + more


def code(name: str, file: str, first_line: int, **options: object) -> bytes:
    widths = {"name_width": 1, "file_width": 1, **options}
    encodings = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}
    texts = [
        text.encode(encodings[widths[f"{part}_width"]], "surrogatepass")
        for part, text in (("name", name), ("file", file))
    ]
    return entry(
        EntryKind.CODE,
        site_format.CODE_ENTRY,
        b"".join(texts),
        first_line=first_line,
        name_length=len(name),
        file_length=len(file),
        **widths,
    )


def stack(*frames: tuple[int, int], cut: int = 0) -> bytes:
    rows = np.array([*frames], site_format.STACK_FRAME)
    return entry(EntryKind.STACK, site_format.STACK_ENTRY, rows.tobytes(), count=len(frames), cut=cut)


def site(time_ns: int, thread: int, number: int, kind: EntryKind = EntryKind.SITE) -> bytes:
    return entry(kind, site_format.SITE_ENTRY, time_ns=time_ns, subject=thread, stack=number)


def written(tmp_path, *entries: bytes, **fields: object):
    """A file of these entries; ``fields`` of its header."""
    header = np.zeros(1, HEADER)
    for name, value in {"magic": b"gtrcsit", "version": 1, "pid": 7, **fields}.items():
        header[name] = value
    content = header.tobytes().ljust(CHUNK_BYTES, b"\0") + b"".join(entries)
    path = tmp_path / "sites.7.bin"
    path.write_bytes(content + bytes(-len(content) % CHUNK_BYTES))
    return path


PYTHON = entry(EntryKind.PYTHON, site_format.PYTHON_ENTRY, version=0x030B07F0)
WORK = code("work", "/a.py", 3)
MAIN = code("<module>", "/a.py", 1)


def test_the_reader_mirrors_the_header_file(tmp_path):
    layouts = {
        "gt_entry": site_format.ENTRY,
        "gt_python_entry": site_format.PYTHON_ENTRY,
        "gt_code_entry": site_format.CODE_ENTRY,
        "gt_stack_entry": site_format.STACK_ENTRY,
        "gt_stack_frame": site_format.STACK_FRAME,
        "gt_site_entry": site_format.SITE_ENTRY,
    }
    numbers = {
        **{f"GT_{kind.name}": kind.value for kind in EntryKind},
        "GT_SITE_VERSION": site_format.VERSION,
        "GT_SITE_FRAMES": site_format.FRAMES,
        "GT_MADE_FRAMES": site_format.MADE_FRAMES,
        **{f"sizeof({name})": layout.itemsize for name, layout in layouts.items()},
        **{
            f"offsetof({name}, {member})": layout.fields[member][1]
            for name, layout in layouts.items()
            for member in layout.names
            if member not in ("kind", "bytes") or name == "gt_entry"
        },
    }
    probe = tmp_path / "probe.c"
    lines = "".join(f'printf("%s %lld\\n", "{n}", (long long)({n}));' for n in numbers)
    probe.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "site_format.h"\n'
        f'int main(void) {{ {lines} printf("%s\\n", GT_SITE_MAGIC); return 0; }}\n'
    )
    program = compile_c(tmp_path / "probe", [probe])
    out = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()

    assert out[-1].encode() + b"\0" == site_format.MAGIC
    assert dict(line.rsplit(" ", 1) for line in out[:-1]) == {n: str(v) for n, v in numbers.items()}


def test_every_kind_of_entry_is_known_to_the_reader_and_explained_in_the_header_file():
    text = (AGENT / "site_format.h").read_text()
    kinds = set(re.findall(r"^    GT_(\w+) = \d+,", text, re.MULTILINE))

    assert kinds == {kind.name for kind in EntryKind}
    assert all(re.search(rf"^ \*   {kind}\b", text, re.MULTILINE) for kind in kinds)


def test_sites_come_with_their_frames_innermost_first(tmp_path):
    path = written(
        tmp_path, PYTHON, WORK, MAIN, stack((0, -1), (1, -1), cut=1), site(50, 10, 0), site(20, 11, 0)
    )

    sites = read_sites(path)

    assert sites.table.to_dict("list") == {
        "time_ns": [20, 50], "thread": [11, 10], "still": [False, False], "stack": [0, 0],
    }  # fmt: skip
    assert sites.stacks == (((Frame("work", "/a.py", 3, 3), Frame("<module>", "/a.py", 1, 1)), True),)
    assert sites.damage == ()


def test_a_thread_that_had_not_come_back_is_told_apart(tmp_path):
    path = written(tmp_path, PYTHON, WORK, stack((0, -1)), site(9, 5, 0), site(10, 77, 0, EntryKind.STILL))

    assert read_sites(path).table["still"].tolist() == [False, True]


def test_where_locks_were_made_stands_apart(tmp_path):
    path = written(tmp_path, PYTHON, WORK, stack((0, -1)), site(1, 4096, 0, EntryKind.MADE), site(2, 9, 0))

    sites = read_sites(path)

    assert sites.made.to_dict("list") == {"time_ns": [1], "address": [4096], "stack": [0]}
    assert sites.table["thread"].tolist() == [9]


@pytest.mark.parametrize(("width", "name"), [(1, "né"), (2, "имя"), (4, "a\U0001d4d0"), (2, "\udc80x")])
def test_names_of_all_widths_come_through(tmp_path, width, name):
    path = written(tmp_path, PYTHON, code(name, "/a.py", 1, name_width=width), stack((0, -1)), site(1, 1, 0))

    assert read_sites(path).stacks[0].frames[0].name == name


def test_what_a_later_gtrace_adds_is_passed_over(tmp_path):
    later = np.array([(99, 16)], site_format.ENTRY).tobytes() + bytes(8)
    path = written(tmp_path, PYTHON, later, WORK, stack((0, -1)), site(1, 1, 0))

    assert len(read_sites(path).table) == 1


def test_a_file_cut_short_gives_what_is_whole(tmp_path):
    path = written(tmp_path, PYTHON, WORK, stack((0, -1)), site(1, 1, 0), site(2, 1, 0))
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for length in range(0, end, 7):
        path.write_bytes(whole[:length])
        sites = read_sites(path)
        assert len(sites.table) <= 2
        assert sites.damage if length % CHUNK_BYTES else len(sites.table) == 0


def test_damage_ends_the_reading_and_is_said(tmp_path):
    broken = np.array([(EntryKind.SITE, 12)], site_format.ENTRY).tobytes()
    path = written(tmp_path, PYTHON, WORK, stack((0, -1)), site(1, 1, 0), broken, site(2, 1, 0))

    sites = read_sites(path)

    assert len(sites.table) == 1
    assert sites.damage == ("The file of call sites is damaged; what stands before was used.",)


def test_stacks_and_codes_that_are_not_there_are_left_out(tmp_path):
    path = written(tmp_path, PYTHON, WORK, stack((0, -1), (5, 0)), site(1, 1, 0), site(2, 1, 9))

    sites = read_sites(path)

    assert [len(s.frames) for s in sites.stacks] == [1]
    assert sites.table["time_ns"].tolist() == [1]


def test_a_full_file_says_since_when_and_why(tmp_path):
    sites = read_sites(written(tmp_path, PYTHON, full_at_ns=500, full=2, lost=3))

    assert (sites.full_at_ns, sites.lost) == (500, 3)
    assert sites.damage == ("Call sites end early: the disk is full.",)


def test_files_of_others_and_of_a_later_format_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="not call sites"):
        read_sites(written(tmp_path, magic=b"gtrcgil"))
    with pytest.raises(RecordingFormatError, match="update it"):
        read_sites(written(tmp_path, version=2))
    with pytest.raises(RecordingError, match="No such file"):
        read_sites(tmp_path / "none.bin")


def test_random_bytes_never_stop_the_reader(tmp_path):
    random = np.random.default_rng(0)
    path = written(tmp_path, PYTHON, WORK, MAIN, stack((0, 2), (1, 4)), *(site(n, 1, 0) for n in range(20)))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    end = len(path.read_bytes().rstrip(b"\0"))
    for _ in range(300):
        content = whole.copy()
        at = random.integers(CHUNK_BYTES, end, 3)
        content[at] = random.integers(0, 256, 3)
        path.write_bytes(content.tobytes())
        read_sites(path)
