"""Says its descriptors: in threads and children, where it closed all, where few are allowed."""

import os
import resource
import socket
import threading
import warnings

warnings.simplefilter("ignore")  # of forks beside threads that are about to end


def say(where):
    file = os.open("/dev/null", os.O_RDONLY)
    os.close(file)
    with socket.socket() as peer:
        print(where, file, peer.fileno(), os.dup(1), os.pipe(), flush=True)


def in_thread(work, *arguments):
    thread = threading.Thread(target=work, args=arguments)
    thread.start()
    thread.join()


say("first")
in_thread(say, "in a thread")
child = os.fork()
if child == 0:
    say("in a child")
    os.closerange(3, 4096)
    for _ in range(50):
        in_thread(int)
    say("in a child that closed all")
    few = 12
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
    if os.fork() == 0:
        say("where few are allowed")
        os._exit(0)
    os.wait()
    os._exit(0)
os.waitpid(child, 0)
