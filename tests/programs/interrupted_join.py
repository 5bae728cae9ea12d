"""A signal's handler raises while the main thread joins; then the default one does."""

import signal
import threading
import traceback


class Stop(Exception):
    pass


def stop(_number, _frame):
    raise Stop("now")


end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    thread.join()
except Stop:
    traceback.print_exc()
end.set()
thread.join()
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.1)
threading.Event().wait()
