"""Shows what a program can see of how it was started."""

import os
import signal
import sys
import threading

print(sys.argv, sys.path, sys.orig_argv[1:], __name__, __package__, __spec__ and __spec__.name)
print(globals().get("__file__"), sorted(vars(sys.modules["__main__"])))
print(sorted(os.environ.items()))
print(sys.flags, sys.executable, sys.prefix, sys.warnoptions, sys.getrecursionlimit(), sys.gettrace())
print([(int(number), signal.getsignal(number)) for number in sorted(signal.valid_signals())])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), threading.active_count(), sys.getswitchinterval())
print([name for name in sys.modules if name.partition(".")[0] in ("gtrace", "viztracer", "trio")])
print(sys.stdin.read(), sys.stdin.isatty(), sys.stdout.isatty())
