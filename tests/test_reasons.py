"""What the names in a recording say about a thread, against names recorded on CPython 3.10 to 3.15."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import importlib.util
import select
import socket
import sys
import threading
import zlib
from pathlib import Path
from types import BuiltinFunctionType
from typing import NamedTuple

import pytest

from gtrace.model import State
from gtrace.timeline.blocking import BLOCKING
from gtrace.timeline.callers import CALLERS, UNQUALIFIED
from gtrace.timeline.reasons import OWN_WORD, REASONS, caller_reason, classify, is_wrapper, resolve

DATA = Path(__file__).parent / "data" / "call_names"
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


class Recorded(NamedTuple):
    """One line of the files that collect_call_names.py writes."""

    state: str
    reason: str
    chain: tuple[str, ...]


def recorded(version: str) -> list[Recorded]:
    lines = (DATA / f"{version}.txt").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return [Recorded(state, reason, tuple(chain.split(" > "))) for state, reason, chain in rows]


def told(chain: tuple[str, ...]) -> tuple[State | None, str]:
    """State and reason of the last call of a chain, its callers asked one by one from the inside."""
    caller = ""
    for name in reversed(chain[:-1]):
        if not is_wrapper(name):
            break
        caller = caller_reason(name) or caller
    return resolve(classify(chain[-1]), caller)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_wait_is_told_with_its_reason(version: str) -> None:
    waits = [row for row in recorded(version) if row.state != "-"]
    assert len(waits) > 80
    wrong = [(row, told(row.chain)) for row in waits if told(row.chain) != (State(row.state), row.reason)]
    assert wrong == []


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_calls_that_keep_the_gil_have_no_class(version: str) -> None:
    ordinary = [row.chain[0] for row in recorded(version) if row.state == "-"]
    assert {"math.sin", "list.append", "builtins.len", "_thread.lock.release", "mmap.mmap.flush"} <= set(
        ordinary
    )
    assert [name for name in ordinary if classify(name).state is not None] == []


def test_a_wait_has_the_reason_of_its_outermost_caller() -> None:
    chain = (
        "work (/home/me/program.py:10)",
        "Queue.get (/usr/lib/python3.13/queue.py:154)",
        "Condition.wait (/usr/lib/python3.13/threading.py:331)",
        "_thread.lock.acquire",
    )
    assert told(chain) == (State.LOCK_WAIT, "queue")
    assert told(chain[2:]) == (State.LOCK_WAIT, "condition")
    assert told(chain[3:]) == (State.LOCK_WAIT, "lock")


def test_code_of_the_program_between_ends_the_chain() -> None:
    chain = (
        "Queue.get (/usr/lib/python3.13/queue.py:154)",
        "OwnQueue._get (/home/me/program.py:3)",
        "_thread.lock.acquire",
    )
    assert told(chain) == (State.LOCK_WAIT, "lock")


def test_a_callback_in_an_event_loop_waits_for_its_own_reason() -> None:
    chain = (
        "BaseEventLoop._run_once (/usr/lib/python3.12/asyncio/base_events.py:1894)",
        "Handle._run (/usr/lib/python3.12/asyncio/events.py:82)",
        "time.sleep",
    )
    assert told(chain) == (State.SLEEP, "sleep")


@pytest.mark.parametrize(
    ("line", "reason"),
    [(288, "condition"), (292, "condition"), (604, "event"), (589, "event"), (660, "barrier")],
)
def test_a_bare_name_of_python_3_10_is_told_by_its_line(line: int, reason: str) -> None:
    assert caller_reason(f"wait (/usr/lib/python3.10/threading.py:{line})") == reason


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/threading.py",
        "/home/me/lib/threading.py",
        "/usr/lib/python3.12/site-packages/threading.py",
        "/usr/lib/python3.12/site-packages/other/threading.py",
        "<string>",
        "<frozen x> (threading.py",
    ],
)
def test_a_file_of_the_same_name_elsewhere_is_not_the_standard_library(path: str) -> None:
    assert not is_wrapper(f"Event.wait ({path}:1)")
    assert caller_reason(f"Event.wait ({path}:1)") == ""


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/python3.12/threading.py",
        "/opt/python/lib/python3.13t/threading.py",
        "/opt/lib64/python3.11/threading.py",
        "/opt/python312.zip/threading.py",
        "/src/cpython/Lib/threading.py",
        "C:\\Python312\\Lib\\threading.py",
        "<frozen threading>",
    ],
)
def test_the_standard_library_is_known_wherever_it_lies(path: str) -> None:
    assert is_wrapper(f"Event.wait ({path}:1)")
    assert caller_reason(f"Event.wait ({path}:1)") == "event"


def test_python_functions_are_told_from_c_functions() -> None:
    assert classify("sleep (/home/me/program.py:1)") == (None, "", True)
    assert classify("time.sleep (/a folder/odd (1).py:12)").is_python
    assert classify("<lambda> (<stdin>:1)").is_python
    assert not classify("time.sleep").is_python
    assert classify("") == (None, "", False)


def test_a_subclass_of_socket_waits_as_a_socket_does() -> None:
    assert classify("MySocket.recv")[:2] == (State.IO_WAIT, "socket recv")
    assert classify("MySocket.settimeout").state is None
    assert classify("generator.send").state is None
    assert classify("recv").state is None


def test_sleeps_of_the_standard_library_that_wait_for_something_else() -> None:
    sleep, lock = classify("time.sleep"), classify("_thread.lock.acquire")
    assert resolve(sleep, "child process") == (State.IO_WAIT, "child process")
    assert resolve(sleep, "queue") == (State.LOCK_WAIT, "queue")
    assert resolve(lock, "timer") == (State.SLEEP, "timer")
    assert resolve(lock, "queue") == (State.LOCK_WAIT, "queue")
    assert resolve(classify("posix.read"), "queue") == (State.IO_WAIT, "process queue")
    assert resolve(classify("zlib.compress"), "queue") == (State.NATIVE, "compression")
    assert resolve(classify("math.sin"), "queue") == (None, "")


MODULES = """_thread _queue _imp _multiprocessing fcntl posix _socket _ssl pwd grp select _tkinter _signal
    builtins
    termios _curses _io io syslog zlib _bz2 _lzma _zstd binascii _hashlib _blake2 _sha2 _sha3 _hmac sqlite3
    _sqlite3 time"""

ABSENT_BEFORE = {
    "_io.open": (3, 12),
    "_io.open_code": (3, 12),
    "zlib._ZlibDecompressor.decompress": (3, 12),
    "_thread._ThreadHandle.join": (3, 13),
    "_thread._shutdown": (3, 13),
    "posix.readinto": (3, 14),
}
ABSENT_SINCE = {"io.open": (3, 12), "io.open_code": (3, 12)}


def names_on_this_interpreter() -> set[str]:
    """The names of all functions and methods of the C modules, as far as this interpreter has them."""
    modules = [importlib.import_module(name) for name in MODULES.split() if importlib.util.find_spec(name)]
    made = (
        threading.Lock(), threading.RLock(), select.poll(), zlib.compressobj(), zlib.decompressobj(),
        hashlib.sha256(), hashlib.shake_128(), hmac.new(b"", digestmod="sha256")._hmac,
    )  # fmt: skip
    values = [value for module in modules for value in vars(module).values()]
    types = {type(thing) for thing in made} | {value for value in values if isinstance(value, type)}
    functions = {f"{v.__module__}.{v.__name__}" for v in values if isinstance(v, BuiltinFunctionType)}
    methods = {f"{owner.__module__}.{owner.__name__}.{name}" for owner in types for name in dir(owner)}
    # The socket module's own class is what programs use.
    return functions | methods | {f"socket.{name}" for name in dir(socket.socket)}


def test_every_name_in_the_table_is_one_of_this_interpreter_or_of_another_version() -> None:
    absent = {name for name in BLOCKING if name not in names_on_this_interpreter()}
    expected = {name for name, since in ABSENT_BEFORE.items() if sys.version_info < since}
    expected |= {name for name, since in ABSENT_SINCE.items() if sys.version_info >= since}
    optional = ["_tkinter.", "_curses."]
    optional += ["_zstd.", "compression.", "_hmac."] if sys.version_info < (3, 14) else []
    optional += ["_sha2."] if sys.version_info < (3, 12) else []
    assert {name for name in absent if not name.startswith(tuple(optional))} == expected


def test_reasons_are_words_of_one_list_and_all_of_them_are_used() -> None:
    candidates = {c.reason for several in UNQUALIFIED.values() for c in several} - {""}
    used = {reason for _, reason in BLOCKING.values()} | set(CALLERS.values()) | candidates
    used |= set(OWN_WORD.values())
    assert used == set(REASONS)
