"""A web server under load: waitress with four threads, an application that computes and waits, and clients.

Needs waitress. The clients are a process of their own, as they would be elsewhere.
"""

import contextlib
import json
import logging
import sqlite3
import subprocess
import sys
import threading
import time

from waitress.server import create_server

CLIENTS = """
import sys, threading, urllib.request
def client():
    for _ in range(30):
        urllib.request.urlopen(sys.argv[1]).read()
threads = [threading.Thread(target=client) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def rank(words):
    """Pure Python work: what an application does between its queries."""
    return sorted(words, key=lambda word: (len(set(word)), word))


def application(environ, start_response):
    """One request: a query, some work, an answer from elsewhere."""
    with sqlite3.connect(":memory:") as database:
        database.execute("create table word (text)")
        rows = [(f"{environ['PATH_INFO']}{n * 7919 % 1000}",) for n in range(300)]
        database.executemany("insert into word values (?)", rows)
        words = [text for (text,) in database.execute("select text from word order by text")]
    ranked = rank(words)
    time.sleep(0.005)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(ranked[:100]).encode()]


def main():
    """Serves until the clients are done."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(application, host="127.0.0.1", port=0, threads=4)
    url = f"http://127.0.0.1:{server.effective_port}/"
    clients = subprocess.Popen([sys.executable, "-c", CLIENTS, url])

    def stop_when_served():
        print("clients:", clients.wait())
        server.close()

    threading.Thread(target=stop_when_served, name="watch-clients").start()
    with contextlib.suppress(OSError):
        server.run()


if __name__ == "__main__":
    main()
