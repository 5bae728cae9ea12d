"""One recording session in the traced process: starts the sources, follows forks, saves at the end."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import atexit
import os
import sys
import threading
from time import monotonic_ns, time_ns

from gtrace.recorder import agent, exits, locks, scheduler
from gtrace.recorder.amounts import Clocks
from gtrace.recorder.calls import CallRecorder, CallsUnavailable
from gtrace.recorder.journal import Journal, NoJournal
from gtrace.recorder.threads import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn

EXIT_NOT_STARTED: Final = 2
FAILED: Final = "failed"
"""The file a recorder that could not start leaves behind; the program has not run then."""
NOT_FORKED: Final = -1
LEFT_OUT: Final = "none: left out by --no-scheduler"
SITES_PART: Final = 8
"""Call sites get at most an eighth of what the GIL evidence may take."""
LEAST_SITES: Final = 64 << 10


def start(launch: dict[str, Any]) -> None:
    """Starts recording as ``launch`` says; called once, before the program's first line."""
    try:
        session = Session(launch)
    except (ImportError, OSError) as error:
        _fail(os.path.join(launch["recording"], FAILED), _reason(error))
    session.start()


def _fail(path: str, reason: str) -> NoReturn:
    """Ends the process, also where there is no room to say why."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(reason)
    finally:
        os._exit(EXIT_NOT_STARTED)


def _reason(error: ImportError | OSError) -> str:
    if isinstance(error, ImportError):
        return f"{sys.executable}: {error}: install gtrace there, too, or leave the calls out with --light"
    return f"{error.filename}: {error.strerror}: give another place with -o"


class Session:
    """The sources of one process and of its forked children."""

    def __init__(self, launch: dict[str, Any]) -> None:
        self._launch = launch
        self._folder: str = launch["recording"]
        self._saved = False
        self._forked_from = NOT_FORKED
        self._forking: dict[int, int] = {}
        self._postponed = exits.Postponed()
        self._journal = self._new_journal()
        self._calls, self._calls_quality = (
            _make_calls(launch) if launch["calls"] else (None, "none: left out")
        )
        self._registry = Registry(self._journal, self._begin_raw_thread)
        self._agent = self._scheduler = self._sites = "none: not started"
        self._clocks: Clocks | None = None

    def start(self) -> None:
        if self._launch["switch_interval"] is not None:
            sys.setswitchinterval(self._launch["switch_interval"])
        # registered first, so that it runs last: the program's own exit functions are recorded
        atexit.register(self.save)
        exits.install(self.save, self._save_before_exec, self._resume)
        locks.on_interrupt(self._record_locks)
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self._postponed.end, after_in_child=self._after_fork
        )
        self._scheduler = self._start_scheduler()
        self._agent = self._start_agent()
        self._sites = self._start_sites()
        self._describe_process()
        self._start_registry()
        self._start_clocks()
        if self._calls is not None:
            self._calls.start()

    def save(self) -> None:
        """Stops the sources and saves; only the first call in a process does anything."""
        with exits.Saving():
            if not self._saved:
                self._saved = True
                self._save_all()

    def _save_all(self) -> None:
        _ignore_interrupts()
        ended = monotonic_ns()
        locks.record(self._journal, ended)
        agent.stop()
        scheduler.stop()
        if self._clocks is not None:
            self._clocks.record_all(self._journal)
        self._save_calls()
        self._journal.append(
            "stop",
            time=ended,
            saved=monotonic_ns(),
            journal_lost=self._journal.lost,
            switch_interval=sys.getswitchinterval(),
        )

    def _record_locks(self) -> None:
        locks.record(self._journal, monotonic_ns())

    def _save_calls(self) -> None:
        if self._calls is None:
            return
        if self._calls.is_replaced():
            self._journal.append("profiler_replaced", tid=threading.get_native_id())
        try:
            self._calls.save()
        except CallsUnavailable as reason:
            self._note(f"Calls of process {os.getpid()} are missing: {reason}.")

    def _note(self, text: str) -> None:
        self._journal.append("note", text=text)

    def _save_before_exec(self) -> None:
        """Saves the calls; the agent's file is on disk already, and its end need not be said."""
        with exits.Saving():
            if not self._saved:
                self._save_calls()

    def _resume(self) -> None:
        """The program lives on: its exec failed."""
        if self._calls is not None and not self._saved:
            self._calls.start()

    def _start_agent(self) -> str:
        """Starts the GIL evidence of this process; gives its quality, or why there is none."""
        path = os.path.join(self._folder, f"gil.{os.getpid()}.bin")
        try:
            return agent.start(path, max_bytes=self._launch["max_bytes"])
        except agent.AgentUnavailable as reason:
            return f"none: {reason}"

    def _start_sites(self) -> str:
        """Starts the call sites of this process; gives their quality, or why there are none."""
        threshold_ns = self._launch["site_threshold_ns"]
        if not threshold_ns:
            return "none: left out"
        path = os.path.join(self._folder, f"sites.{os.getpid()}.bin")
        try:
            size = max(self._launch["max_bytes"] // SITES_PART, LEAST_SITES)
            agent.start_sites(path, max_bytes=size, threshold_ns=threshold_ns)
        except agent.AgentUnavailable as reason:
            return f"none: {reason}"
        return "exact"

    def _start_scheduler(self) -> str:
        """Starts the scheduler's evidence of this process and all it will start."""
        if not self._launch["scheduler"]:
            return LEFT_OUT
        path = os.path.join(self._folder, f"scheduler.{os.getpid()}.bin")
        try:
            return scheduler.start(path, max_bytes=self._launch["max_bytes"])
        except scheduler.SchedulerUnavailable as reason:
            return f"none: {reason}"

    def _start_registry(self) -> None:
        has_more_to_say = self._calls is not None or self._reads_clocks()
        missing = self._registry.install(self._end_of_thread if has_more_to_say else None)
        if missing:
            self._note(f"threading has no hook at {', '.join(missing)} here")
        self._registry.record_main()

    def _reads_clocks(self) -> bool:
        return self._scheduler not in ("exact", LEFT_OUT)

    def _start_clocks(self) -> None:
        """Amounts, where the kernel does not record its switches."""
        self._clocks = Clocks() if self._reads_clocks() else None

    def _new_journal(self) -> Journal:
        return Journal(os.path.join(self._folder, f"threads.{os.getpid()}.jsonl"))

    def _describe_process(self) -> None:
        system = os.uname()
        self._journal.append(
            "process",
            time=monotonic_ns(),
            wall_ns=time_ns(),
            pid=os.getpid(),
            parent_pid=os.getppid(),
            tid=threading.get_native_id(),
            forked_from=self._forked_from,
            python=sys.version.split()[0],
            implementation=sys.implementation.name,
            gil_enabled=getattr(sys, "_is_gil_enabled", lambda: True)(),
            executable=sys.executable,
            switch_interval=sys.getswitchinterval(),
            cores=len(os.sched_getaffinity(0)),
            platform=f"{system.sysname}-{system.release}-{system.machine}",
            viztracer=None if self._calls is None else self._calls.version,
            entries=self._launch["entries"],
            calls=self._calls_quality,
            agent=self._agent,
            scheduler=self._scheduler,
            sites=self._sites,
        )

    def _before_fork(self) -> None:
        self._forking[_thread.get_ident()] = self._tid_in_calls()
        self._postponed.begin()

    def _tid_in_calls(self) -> int:
        """This thread as viztracer knows it: it asks for a native id once a thread, and a fork changes it."""
        own = threading.get_native_id()
        return self._forked_from if own == os.getpid() and self._forked_from != NOT_FORKED else own

    def _after_fork(self) -> None:
        self._forked_from = self._forking.pop(_thread.get_ident())
        self._forking.clear()
        self._saved = False
        try:
            self._journal = self._new_journal()
        except OSError:
            self._give_up()
        else:
            self._agent = self._start_agent()
            self._sites = self._start_sites()
            self._describe_process()
            self._registry.move_to(self._journal)
            self._start_clocks()
            if self._calls is not None:
                self._calls.forget()
        self._postponed.end()

    def _give_up(self) -> None:
        """This child may not write where its parent did: it is left alone."""
        self._saved = True
        self._registry.move_to(NoJournal())
        if self._calls is not None:
            self._calls.stop()

    def _begin_raw_thread(self) -> None:
        if self._calls is not None:
            self._calls.install_in_thread()

    def _end_of_thread(self) -> str | None:
        if self._clocks is not None:
            self._clocks.record_own(self._journal)
        if self._calls is not None and self._calls.is_replaced():
            return "profiler replaced"
        return None


def _make_calls(launch: dict[str, Any]) -> tuple[CallRecorder | None, str]:
    try:
        return CallRecorder(launch["recording"], launch["entries"]), "exact"
    except CallsUnavailable as reason:
        return None, f"none: {reason}"


def _ignore_interrupts() -> None:
    """The program is over; a second Ctrl-C must not cost its recording."""
    if threading.current_thread() is threading.main_thread():
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
