"""The Python functions of the standard library that tell why the call inside them waits."""

from __future__ import annotations

from typing import Final, NamedTuple

_FUTURES: Final = """Future.result Future.exception wait as_completed Executor.map.<locals>.result_iterator
    _result_or_cancel"""
_POPEN: Final = """Popen.wait Popen.communicate Popen._wait Popen._wait_pidfd Popen._try_wait
    Popen._communicate Popen._execute_child Popen.__exit__ Popen.__init__ _communicate_io_posix run call
    check_call check_output getstatusoutput getoutput"""
_COPY: Final = """copyfileobj copyfile copy copy2 copytree move _fastcopy_sendfile
    _fastcopy_copy_file_range _fastcopy_fcopyfile _copytree"""

_NAMES: Final = {
    ("threading", "condition"): "Condition.wait Condition.wait_for",
    ("threading", "event"): "Event.wait",
    ("threading", "semaphore"): "Semaphore.acquire",
    ("threading", "barrier"): "Barrier.wait Barrier._wait Barrier._enter",
    ("threading", "rlock"): "_RLock.acquire",
    ("threading", "thread join"): "Thread.join Thread._wait_for_tstate_lock _shutdown",
    ("threading", "thread start"): "Thread.start",
    ("threading", "timer"): "Timer.run",
    ("queue", "queue"): "Queue.get Queue.put Queue.join _PySimpleQueue.get",
    ("importlib/_bootstrap", "import lock"): "_ModuleLock.acquire _ModuleLockManager.__enter__",
    ("concurrent/futures/_base", "future"): _FUTURES,
    ("concurrent/futures/process", "future"): "_chain_from_iterable_of_lists",
    ("concurrent/interpreters/_queues", "queue"): "Queue.get Queue.put",
    ("asyncio/base_events", "event loop"): "BaseEventLoop._run_once",
    ("multiprocessing/synchronize", "condition"): "Condition.wait Condition.wait_for",
    ("multiprocessing/synchronize", "event"): "Event.wait",
    ("multiprocessing/synchronize", "process lock"): "SemLock.__enter__ Condition.__enter__",
    ("multiprocessing/queues", "queue"): """Queue.get Queue.put Queue._feed SimpleQueue.get SimpleQueue.put
        JoinableQueue.join JoinableQueue.put""",
    ("multiprocessing/connection", "pipe"): """_ConnectionBase.recv _ConnectionBase.recv_bytes
        _ConnectionBase.recv_bytes_into _ConnectionBase.send _ConnectionBase.send_bytes
        _ConnectionBase.poll""",
    ("multiprocessing/managers", "pipe"): "BaseProxy._callmethod",
    ("multiprocessing/pool", "future"): """ApplyResult.get ApplyResult.wait IMapIterator.next Pool.apply
        Pool.map Pool.starmap""",
    ("multiprocessing/process", "child process"): "BaseProcess.join _ParentProcess.join",
    ("multiprocessing/popen_fork", "child process"): "Popen.wait Popen.poll",
    ("multiprocessing/popen_forkserver", "child process"): "Popen.poll",
    ("subprocess", "child process"): _POPEN,
    ("os", "child process"): "_spawnvef _wrap_close.close",
    ("socket", "name lookup"): "getaddrinfo getfqdn",
    ("socket", "socket send"): "socket.sendfile",
    ("socket", "socket accept"): "socket.accept",
    ("ssl", "socket recv"): "SSLSocket.recv SSLSocket.recv_into SSLSocket.read",
    ("ssl", "socket send"): "SSLSocket.send SSLSocket.sendall SSLSocket.write SSLSocket.sendfile",
    ("ssl", "tls"): "SSLSocket.do_handshake SSLSocket.unwrap",
    ("shutil", "file copy"): _COPY,
    ("getpass", "terminal"): "unix_getpass _raw_input",
}

CALLERS: Final[dict[tuple[str, str], str]] = {
    (module, name): reason for (module, reason), names in _NAMES.items() for name in names.split()
}
"""Module (a path without its suffix) and qualified name -> a key of ``REASONS``."""


class Candidate(NamedTuple):
    """One function that a bare name may mean."""

    line: int
    """Its first line in CPython 3.10, the one version whose recordings have bare names."""
    reason: str
    """Empty where the function gives no reason."""


_SHARED_NAMES: Final = {
    ("threading", "acquire"): (Candidate(138, "rlock"), Candidate(428, "semaphore")),
    ("threading", "wait"): (Candidate(288, "condition"), Candidate(589, "event"), Candidate(647, "barrier")),
    ("threading", "run"): (Candidate(942, ""), Candidate(1375, "timer")),
    ("multiprocessing/synchronize", "wait"): (Candidate(247, "condition"), Candidate(344, "event")),
}

UNQUALIFIED: Final[dict[tuple[str, str], tuple[Candidate, ...]]] = {
    **{
        (module, name.rpartition(".")[2]): (Candidate(0, reason),)
        for (module, name), reason in CALLERS.items()
    },
    **_SHARED_NAMES,
}
"""Module and bare name -> what it may mean."""

_FILES: Final = """threading queue importlib concurrent asyncio multiprocessing subprocess os selectors
    socket ssl shutil getpass signal"""

WRAPPER_FILES: Final = frozenset(_FILES.split())
"""The files, and the packages, through which a blocking call is reached."""

RUNS_OTHERS: Final = frozenset(
    {
        ("asyncio/events", "_run"),
        ("concurrent/futures/thread", "run"),
        ("multiprocessing/pool", "worker"),
        ("multiprocessing/process", "run"),
    }
)
"""Module and bare name of what calls the program's own functions: a chain of callers ends here."""
