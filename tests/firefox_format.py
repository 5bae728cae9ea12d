"""The processed profile format, version 60, as a checker: from its published types and changelog."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

COLOURS: Final = {
    "transparent", "purple", "green", "orange", "yellow", "lightblue", "blue", "brown", "magenta", "red",
    "lightred", "darkgrey", "grey",
}  # fmt: skip
GRAPH_COLOURS: Final = {
    "blue", "green", "grey", "ink", "magenta", "orange", "purple", "red", "teal", "yellow",
}  # fmt: skip
FIELD_TYPES: Final = {"unique-string": int, "string": str, "integer": int}
"""Of the formats of marker fields those that are used here, and the JSON types of their values."""
PLACES: Final = {
    "marker-chart", "marker-table", "timeline-overview", "timeline-memory", "timeline-ipc", "timeline-fileio",
}  # fmt: skip
SCHEMA_KEYS: Final = {
    "name", "description", "tooltipLabel", "tableLabel", "chartLabel", "display", "fields", "colorField",
    "isStackBased",
}  # fmt: skip
META: Final[dict[str, type | tuple[type, ...]]] = {
    "interval": (int, float), "startTime": (int, float), "profilingStartTime": (int, float),
    "profilingEndTime": (int, float), "processType": int, "product": str, "stackwalk": int, "debug": bool,
    "version": int, "preprocessedProfileVersion": int, "categories": list, "markerSchema": list,
    "symbolicated": bool, "symbolicationNotSupported": bool, "usesOnlyOneStackType": bool,
    "sourceCodeIsNotOnSearchfox": bool, "keepProfileThreadOrder": bool, "initialVisibleThreads": list,
    "initialSelectedThreads": list, "importedFrom": str, "arguments": str, "oscpu": str, "logicalCPUs": int,
    "extra": list,
}  # fmt: skip
THREAD: Final[dict[str, type | tuple[type, ...]]] = {
    "processType": str, "processStartupTime": (int, float), "processShutdownTime": (int, float, type(None)),
    "registerTime": (int, float), "unregisterTime": (int, float, type(None)), "pausedRanges": list,
    "showMarkersInTimeline": bool, "name": str, "isMainThread": bool, "processName": str, "pid": str,
    "tid": (int, str), "samples": dict, "markers": dict,
}  # fmt: skip

COUNTER: Final[dict[str, type | tuple[type, ...]]] = {
    "name": str, "category": str, "description": str, "pid": str, "mainThreadIndex": int, "display": dict,
    "samples": dict,
}  # fmt: skip
DISPLAY: Final[dict[str, type | tuple[type, ...]]] = {
    "graphType": str, "unit": str, "color": str, "markerSchemaLocation": (str, type(None)),
    "sortWeight": int, "label": str, "tooltipRows": list,
}  # fmt: skip
"""Of version 62 and 63; a viewer that upgrades from 60 keeps it."""
GRAPHS: Final = {"line-accumulated", "line-rate"}
ROWS: Final = {"count", "rate", "accumulated", "count-range", "selection-total", "sample-number"}
UNITS: Final = {"bytes", "bytes-per-second", "percent", "number"}

Check = Callable[[Any], bool]


def complaints(profile: dict[str, Any]) -> list[str]:
    """Everything about ``profile`` that its format does not allow; nothing where it is right."""
    if set(profile) != {"meta", "libs", "shared", "threads", "counters"}:
        return [f"profile: {sorted(profile)}"]
    found = [*_record("meta", profile["meta"], META), *_shared(profile), *_meta(profile)]
    for i, thread in enumerate(profile["threads"]):
        found += [f"thread {i}: {text}" for text in _thread(profile, thread)]
    for counter in profile["counters"]:
        found += [f"counter {counter.get('name')}: {text}" for text in _counter(profile, counter)]
    ids = [(thread["pid"], thread["tid"]) for thread in profile["threads"]]
    return found + ([] if len(set(ids)) == len(ids) else ["two threads have one id"])


def _record(name: str, record: dict[str, Any], types: dict[str, Any]) -> Iterator[str]:
    if set(record) != set(types):
        yield f"{name}: {set(record) ^ set(types)}"
    yield from (
        f"{name}.{key}: {value!r}"
        for key, value in record.items()
        if not isinstance(value, types.get(key, object))
    )


def _table(name: str, table: dict[str, Any], columns: dict[str, Check]) -> Iterator[str]:
    """All columns and no others, as long as the table says, every value allowed."""
    others = {"length", "weightType"}
    if set(table) - others != set(columns):
        yield f"{name}: columns {(set(table) - others) ^ set(columns)}"
        return
    for column, allowed in columns.items():
        if len(table[column]) != table["length"]:
            yield f"{name}.{column}: {len(table[column])} values in a table of {table['length']}"
        wrong = [value for value in table[column] if not allowed(value)]
        if wrong:
            yield f"{name}.{column}: {wrong[:3]}"


def below(limit: int) -> Check:
    return lambda value: type(value) is int and 0 <= value < limit


def only(*values: Any) -> Check:
    return lambda value: any(value == one and type(value) is type(one) for one in values)


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _shared(profile: dict[str, Any]) -> Iterator[str]:
    shared = profile["shared"]
    strings = below(len(shared["stringArray"]))
    none = only(None)
    if any(type(text) is not str for text in shared["stringArray"]):
        yield "stringArray: not all text"
    if len(set(shared["stringArray"])) != len(shared["stringArray"]):
        yield "stringArray: a text stands twice"
    stacks, frames, functions = shared["stackTable"], shared["frameTable"], shared["funcTable"]
    yield from _table(
        "stackTable",
        stacks,
        {"frame": below(frames["length"]), "prefix": either(none, below(stacks["length"]))},
    )
    yield from (
        f"stackTable: {i} comes before its parent {prefix}"
        for i, prefix in enumerate(stacks["prefix"])
        if prefix is not None and prefix >= i
    )
    yield from _table("frameTable", frames, {
        "address": only(-1), "inlineDepth": only(0), "category": below(len(profile["meta"]["categories"])),
        "subcategory": only(0), "func": below(functions["length"]), "nativeSymbol": none,
        "innerWindowID": only(0), "line": none, "column": none,
    })  # fmt: skip
    yield from _table("funcTable", functions, {
        "name": strings, "isJS": only(False), "relevantForJS": only(False), "resource": only(-1),
        "source": either(none, below(shared["sources"]["length"])),
        "lineNumber": either(none, lambda line: type(line) is int and line > 0), "columnNumber": none,
    })  # fmt: skip
    yield from _table("sources", shared["sources"], {"id": none, "filename": strings})
    empty = {"lib": none, "name": none, "host": none, "type": none}
    yield from _table("resourceTable", shared["resourceTable"], empty)
    empty = {"libIndex": none, "address": none, "name": none, "functionSize": none}
    yield from _table("nativeSymbols", shared["nativeSymbols"], empty)


def _meta(profile: dict[str, Any]) -> Iterator[str]:
    meta, count = profile["meta"], len(profile["threads"])
    if meta["preprocessedProfileVersion"] != 60:
        yield "not version 60"
    categories = meta["categories"]
    if "grey" not in [category["color"] for category in categories]:
        yield "no category to fall back to"
    yield from (
        f"category: {category}"
        for category in categories
        if set(category) != {"name", "color", "subcategories"}
        or category["color"] not in COLOURS
        or category["subcategories"][0] != "Other"
    )
    for schema in meta["markerSchema"]:
        yield from _schema(schema)
    shown = [*meta["initialVisibleThreads"], *meta["initialSelectedThreads"]]
    yield from (f"no such thread: {i}" for i in shown if not below(count)(i))


def _schema(schema: dict[str, Any]) -> Iterator[str]:
    name = schema["name"]
    if set(schema) != SCHEMA_KEYS or not set(schema["display"]) <= PLACES:
        yield f"schema {name}: {set(schema) ^ SCHEMA_KEYS} {schema['display']}"
    if schema["colorField"] not in [field["key"] for field in schema["fields"]]:
        yield f"schema {name}: no field {schema['colorField']}"
    yield from (
        f"schema {name}: field {field}"
        for field in schema["fields"]
        if not {"key", "format"} <= set(field) <= {"key", "format", "label", "hidden"}
        or field["format"] not in FIELD_TYPES
    )


def _thread(profile: dict[str, Any], thread: dict[str, Any]) -> Iterator[str]:
    shared = profile["shared"]
    yield from _record("thread", thread, THREAD)
    samples, markers = thread["samples"], thread["markers"]
    if samples.get("weightType") != "tracing-ms":
        yield "samples.weightType"
    stacks = below(shared["stackTable"]["length"])
    yield from _table("samples", samples, {"stack": stacks, "time": number, "weight": number})
    if samples["time"] != sorted(samples["time"]):
        yield "samples go back in time"
    categories = below(len(profile["meta"]["categories"]))
    yield from _table("markers", markers, {
        "data": lambda data: type(data) is dict, "name": below(len(shared["stringArray"])),
        "startTime": number, "endTime": number, "phase": only(1), "category": categories,
    })  # fmt: skip
    spans = zip(markers["startTime"], markers["endTime"], strict=True)
    yield from (f"marker ends before it begins: {span}" for span in spans if span[1] < span[0])
    schemas = {schema["name"]: schema for schema in profile["meta"]["markerSchema"]}
    for data in markers["data"]:
        yield from _marker(data, schemas, len(shared["stringArray"]))


def _counter(profile: dict[str, Any], counter: dict[str, Any]) -> Iterator[str]:
    yield from _record("counter", counter, COUNTER)
    yield from _record("display", counter["display"], DISPLAY)
    place = counter["mainThreadIndex"]
    if not below(len(profile["threads"]))(place) or profile["threads"][place]["pid"] != counter["pid"]:
        yield f"its thread is of another process: {place}"
    display, samples = counter["display"], counter["samples"]
    if display["graphType"] not in GRAPHS or display["color"] not in GRAPH_COLOURS:
        yield f"display: {display}"
    if any(row["source"] not in ROWS or row["format"]["unit"] not in UNITS for row in display["tooltipRows"]):
        yield f"rows: {display['tooltipRows']}"
    yield from _table("samples", samples, {"time": number, "count": lambda value: type(value) is int})
    if samples["time"] != sorted(samples["time"]):
        yield "samples go back in time"


def _marker(data: dict[str, Any], schemas: dict[str, Any], strings: int) -> Iterator[str]:
    if data.get("type") not in schemas:
        yield f"marker without a schema: {data}"
        return
    formats = {field["key"]: field["format"] for field in schemas[data["type"]]["fields"]}
    for key, value in data.items():
        if key == "type":
            continue
        if key not in formats or type(value) is not FIELD_TYPES[formats[key]]:
            yield f"marker field {key}: {value!r}"
        elif formats[key] == "unique-string" and not 0 <= value < strings:
            yield f"no such string: {value}"
    if data.get("color") not in GRAPH_COLOURS:
        yield f"colour: {data.get('color')}"
