"""Uses every way of watching itself that the interpreter has."""

import cProfile
import io
import pstats
import sys
import threading


def work():
    return sum(map(abs, [1, 2]))


def own(frame):
    return frame.f_code.co_filename == __file__


seen = []


def profile(frame, event, _argument):
    if own(frame) and frame.f_code is work.__code__:
        seen.append((event, frame.f_lineno))


def trace(frame, event, _argument):
    if own(frame):
        seen.append((event, frame.f_code.co_name, frame.f_lineno))
    return trace


with cProfile.Profile() as profiler:
    work()
stats = pstats.Stats(profiler, stream=io.StringIO()).stats
print(sorted((name, counts[0]) for (_, _, name), counts in stats.items()))
sys.setprofile(profile)
work()
print(sys.getprofile() is profile)
sys.setprofile(None)
sys.settrace(trace)
work()
sys.settrace(None)
threading.settrace(trace)
threading.setprofile(profile)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(seen)
if sys.version_info >= (3, 12):
    monitoring = sys.monitoring
    for tool in (0, 1, 2, 5):
        names = []
        monitoring.use_tool_id(tool, "own")
        monitoring.register_callback(tool, monitoring.events.PY_START, lambda c, _: names.append(c.co_name))
        monitoring.set_events(tool, monitoring.events.PY_START)
        work()
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
        print(names)
