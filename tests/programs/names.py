"""Names that are no names: for a terminal, a page, a file format, or UTF-8."""

import threading

HOSTILE = [
    "</script><img onerror=alert(1)>",
    "\ud800",
    "\x1b[31mred\x07",
    "",
    "\u202e",
    "a\nb",
    '"\\',
    ',\n{"pid":1',
    "\0",
]


def work():
    return threading.get_ident()


for name in [*HOSTILE, "x" * 5000]:
    work.__code__ = work.__code__.replace(co_name=name)
    if hasattr(work.__code__, "co_qualname"):
        work.__code__ = work.__code__.replace(co_qualname=name)
    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()
work.__code__ = work.__code__.replace(co_name="\ud800")
if hasattr(work.__code__, "co_qualname"):
    work.__code__ = work.__code__.replace(co_qualname="\ud800")
print("unharmed")
