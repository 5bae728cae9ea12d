"""Scheduler evidence: records when each thread was on a core and why it left, without root.

This is the only door to it; everything else here is C. What is recorded is specified in ``record.h``,
and who records it in ``drain.h``: a process of its own, which the traced program does not notice.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cache
from typing import Any, Final

__all__ = ["SchedulerUnavailable", "own_times", "start", "status", "stop", "thread_times"]

PARANOID: Final = "/proc/sys/kernel/perf_event_paranoid"
PARANOID_ALLOWED: Final = 2
ONLINE: Final = "/sys/devices/system/cpu/online"
CGROUP: Final = "/proc/self/cgroup"
CGROUPS: Final = "/sys/fs/cgroup"
LARGEST_RING: Final = 2 << 20
"""Bytes per core: for 800 ms of 50,000 switches a second, should the drain wait that long for a core."""
ALL_RINGS: Final = 16 << 20
SMALLEST_RING: Final = 32 << 10

WHY_NOT: Final = {
    ("open", errno.ENOSYS): "this kernel, or sandbox, has no perf_event_open",
    ("open", errno.EMFILE): "too few open files are allowed for an event on each core: raise ulimit -n",
    ("open", errno.ENFILE): "the system has no more open files to give: raise fs.file-max with sysctl",
    ("map", errno.EPERM): "this user may not lock memory for the kernel's records: "
    "raise kernel.perf_event_mlock_kb with sysctl, or ulimit -l",
}
"""What stands in the way, and what would allow it, by step and error number."""


class SchedulerUnavailable(Exception):  # noqa: N818 (a state of this machine, not a fault)
    """Nothing can be recorded here; the text says why and what would allow it."""


def start(path: str, *, max_bytes: int) -> str:
    """Record this process and what it starts from now on into the new file ``path`` of up to ``max_bytes``.

    Returns ``"exact"``. Raises SchedulerUnavailable where nothing can be recorded, a file that exists
    included. A child of ``os.fork`` is followed into the same file, also where it outlives this process
    (see ``status``), and need not do anything; it may still start a recording of its own.
    """
    scheduler = load()
    cores = _usable_cores()
    try:
        scheduler.start(os.path.abspath(path), max_bytes, _ring_bytes(len(cores)), cores, _threads())
    except (OSError, RuntimeError) as error:
        raise SchedulerUnavailable(_reason(error)) from error
    return "exact"


def stop() -> None:
    """End the recording; its file is complete then. Does nothing where there is none or in a forked child."""
    try:
        load().stop()
    except SchedulerUnavailable:
        return


def status() -> dict[str, Any]:
    """The recording in progress, or the last one.

    ``recording`` (bool), ``followed_by`` (in a forked child the process in whose file it is recorded,
    else 0), ``records`` (of 16 bytes) and ``lost``, ``full_at_ns`` (CLOCK_MONOTONIC, 0 where not full),
    ``cores`` observed and ``ring_bytes`` of each.
    """
    result: dict[str, Any] = load().status()
    return result


def thread_times(tid: int) -> tuple[int, int] | None:
    """Nanoseconds for which thread ``tid`` of this process was on a core, and waited for one.

    Amounts only, for where nothing can be recorded; the first lags behind for a thread that runs. None where
    the kernel does not count, or the thread has ended.
    """
    try:
        with open(f"/proc/self/task/{tid}/schedstat", "rb", buffering=0) as file:
            run, wait, turns = map(int, file.read().split())
    except (OSError, ValueError):
        return None
    return (run, wait) if turns else None


def own_times() -> tuple[int, int] | None:
    """As ``thread_times``, of the calling thread, which keeps the GIL; None also without the extension."""
    try:
        times: tuple[int, int] | None = load().own_times()
    except SchedulerUnavailable:
        return None
    return times


def _ring_bytes(cores: int) -> int:
    """A power of two; on machines of many cores all rings together stay small."""
    size, smallest = LARGEST_RING, max(SMALLEST_RING, os.sysconf("SC_PAGESIZE"))
    while size > smallest and size * cores > ALL_RINGS:
        size //= 2
    return size


def _threads() -> tuple[int, ...]:
    """Threads that exist already; what they start is followed with them.

    The main thread comes first: any other may end before it can be followed, and does no harm then. It need
    not have the smallest number: the kernel begins anew after its largest.
    """
    main = os.getpid()
    try:
        others = {int(name) for name in os.listdir("/proc/self/task")} - {main}
    except OSError:
        return (main,)
    return (main, *sorted(others))


def _usable_cores() -> tuple[int, ...]:
    """Cores that are online and that this process may ever use: it can widen its affinity up to its cpuset.

    Every switch costs the more the more cores are observed.
    """
    online = _listed_cores(ONLINE) or set(range(os.cpu_count() or 1))
    return tuple(sorted(online & _cpuset() or online))


def _cpuset() -> set[int]:
    """The cores of the nearest control group that says which; empty where none does."""
    try:
        with open(CGROUP, "rb") as file:
            (path,) = (line[3:] for line in file.read().decode().splitlines() if line.startswith("0::"))
    except (OSError, ValueError):
        return set()
    while not (cores := _listed_cores(f"{CGROUPS}{path.rstrip('/')}/cpuset.cpus.effective")) and path != "/":
        path = os.path.dirname(path)
    return cores


def _listed_cores(path: str) -> set[int]:
    try:
        with open(path, "rb") as file:
            return set(_parse_ranges(file.read()))
    except (OSError, ValueError):
        return set()


def _parse_ranges(text: bytes) -> tuple[int, ...]:
    """The numbers in ``0-3,8``."""
    numbers: list[int] = []
    for part in text.strip().split(b","):
        first, _, last = part.partition(b"-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _reason(error: OSError | RuntimeError) -> str:
    if not isinstance(error, OSError) or error.filename is not None:
        return str(error)
    step, number = str(error.strerror), error.errno or 0
    why = os.strerror(number)
    if step == "process":
        return _reason_of_process(number, why)
    if step == "open" and number in {errno.EPERM, errno.EACCES}:
        return _reason_of_refusal(why)
    return WHY_NOT.get((step, number), f"the kernel refuses its records: {step}: {why}")


def _reason_of_process(number: int, why: str) -> str:
    if number == errno.ECHILD:
        return (
            "the process that records was killed when it began, as by a sandbox that forbids perf_event_open"
        )
    return f"no process can be started that records ({why})"


def _reason_of_refusal(why: str) -> str:
    try:
        with open(PARANOID, "rb") as file:
            level = int(file.read())
    except (OSError, ValueError):
        level = PARANOID_ALLOWED
    if level > PARANOID_ALLOWED:
        return (
            f"kernel.perf_event_paranoid is {level}: "
            f"sysctl -w kernel.perf_event_paranoid={PARANOID_ALLOWED} as root allows it"
        )
    if not os.access("/proc/self/environ", os.R_OK):
        return "this process changed its user, or has capabilities of its own, and may not be observed since"
    return (
        f"perf_event_open is refused here ({why}): in a container, start it with --cap-add PERFMON "
        "or with a --security-opt seccomp= profile that allows perf_event_open"
    )


@cache
def load() -> Any:
    """The extension; raises SchedulerUnavailable where there is none."""
    if not sys.platform.startswith("linux"):
        raise SchedulerUnavailable(f"switches of threads are recorded on Linux, not on {sys.platform}")
    try:
        from gtrace.recorder.scheduler import _scheduler
    except ImportError as error:
        fault = f" ({error})" if str(error.path).endswith(".so") else ""
        raise SchedulerUnavailable(
            f"its extension is not built for this interpreter{fault}; install a C compiler and gtrace again"
        ) from error
    return _scheduler
