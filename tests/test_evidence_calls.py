"""The fast reader of viztracer's dumps against the json module, on whole and on broken files."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtrace.evidence import calls
from gtrace.evidence.calls import OPEN, read_calls

HOSTILE = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from('"\\,\n}{:'), max_size=20
)
CALLS = st.lists(
    st.tuples(
        st.integers(1, 2**31 - 1),
        st.integers(0, 2**52),
        st.sampled_from(["X", "B"]),
        st.integers(0, 2**50),
        HOSTILE,
    ),
    max_size=20,
)


def microseconds(ns):
    return f"{ns // 1000}.{ns % 1000:03}"


ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(name):
    """As viztracer does it, which leaves the other control characters as they are."""
    return "".join(ESCAPES.get(character, character) for character in name)


def dump(events):
    """What viztracer writes of calls ``(tid, start, phase, length, name)``."""
    metadata = '{"ph":"M","pid":1,"tid":1,"name":"process_name","args":{"name":""}}'
    rows = [
        f'{{"pid":1,"tid":{tid},"ts":{microseconds(start)},"ph":"{phase}","cat":"fee",'
        f'"dur":{microseconds(length)},"name":"{escaped(name)}"}}'
        for tid, start, phase, length, name in events
    ]
    text = f'{{"traceEvents":[{",".join([metadata, *rows])}], "viztracer_metadata": {{"overflow":false}}}}'
    return text.encode()


def rows(table):
    return list(zip(table["tid"], table["start_ns"], table["end_ns"], table["name"].astype(str), strict=True))


def slow_twin(text):
    """The same by the json module, a row an event."""
    events = [event for event in json.loads(text, strict=False)["traceEvents"] if event["ph"] in "XB"]
    return [
        (
            event["tid"],
            round(event["ts"] * 1000),
            OPEN if event["ph"] == "B" else round(event["ts"] * 1000) + round(event["dur"] * 1000),
            re.sub("[\b\f\n\r\t]", "\N{REPLACEMENT CHARACTER}", event["name"]),
        )
        for event in events
    ]


@given(CALLS)
def test_it_reads_what_the_json_module_reads(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("calls") / "calls.json"
    path.write_bytes(dump(events))
    found = read_calls(path)

    assert rows(found.table) == slow_twin(path.read_bytes())
    assert found.damaged == 0


@given(CALLS.filter(bool), st.data())
def test_of_a_dump_that_breaks_off_every_whole_event_is_read_and_nothing_else(tmp_path_factory, events, data):
    whole = dump(events)
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("calls") / "calls.json.part"
    path.write_bytes(whole[:cut])
    expected = slow_twin(whole)
    found = rows(read_calls(path).table)

    assert found == expected[: len(found)]
    ends = [
        len(dump(events[: n + 1])) - len(b'], "viztracer_metadata": {"overflow":false}}')
        for n in range(len(events))
    ]
    complete = sum(end + len(',{"pid":') <= cut for end in ends)
    assert len(found) >= complete


@given(CALLS.filter(lambda events: len(events) > 3))
@settings(max_examples=50)
def test_where_the_chunks_are_cut_makes_no_difference(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("calls") / "calls.json"
    path.write_bytes(dump(events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "CHUNK_BYTES", 257)
        found = read_calls(path)

    assert rows(found.table) == slow_twin(path.read_bytes())


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"\0" * 100, b"not json at all", b'{"traceEvents":[', b"\xff\xfe"]
)
def test_garbage_holds_no_calls(tmp_path, garbage):
    path = tmp_path / "calls.json"
    path.write_bytes(garbage)

    assert read_calls(path).table.empty


def test_a_damaged_event_is_counted_and_costs_no_other(tmp_path):
    events = [(7, 1000 * n, "X", 10, f"f{n}") for n in range(5)]
    path = tmp_path / "calls.json"
    path.write_bytes(dump(events).replace(b'"ts":2.000', b'"ts":2.0zz'))
    found = read_calls(path)

    assert [name for *_, name in rows(found.table)] == ["f0", "f1", "f3", "f4"]
    assert found.damaged == 1


def test_names_that_are_not_utf8_are_read(tmp_path):
    path = tmp_path / "calls.json"
    path.write_bytes(dump([(7, 0, "X", 10, "plain")]).replace(b"plain", b"gr\xfcn"))
    found = read_calls(path)

    assert [name for *_, name in rows(found.table)] == ["gr\N{REPLACEMENT CHARACTER}n"]
