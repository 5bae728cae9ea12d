"""One wait of each kind on sockets and selectors."""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import ssl
import subprocess
import threading
import time

from probes.registry import BIG, FOLDER, WAIT_S, later, probe


class OwnSocket(socket.socket):
    """The events of a subclass carry its own name."""


@probe("io_wait", "socket recv")
def socket_recv() -> None:
    near, far = socket.socketpair()
    later(far.sendall, b"x")
    near.recv(1)


@probe("io_wait", "socket recv")
def subclass_recv() -> None:
    near, far = socket.socketpair()
    later(far.sendall, b"x")
    OwnSocket(fileno=near.detach()).recv(1)


@probe("io_wait", "socket recv")
def socket_file_read() -> None:
    near, far = socket.socketpair()
    later(far.sendall, b"x\n")
    near.makefile("rb").readline()


@probe("io_wait", "socket recv")
def socket_recvfrom() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(WAIT_S)
        with contextlib.suppress(TimeoutError):
            datagrams.recvfrom(1)


@probe("io_wait", "socket send")
def socket_sendall() -> None:
    near, far = socket.socketpair()
    later(drain, far, 8 * len(BIG))
    near.sendall(8 * BIG)


def drain(source: socket.socket, count: int) -> None:
    while count:
        count -= len(source.recv(1 << 20))


@probe("io_wait", "socket accept")
def socket_accept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        later(socket.create_connection, server.getsockname())
        server.accept()


@probe("io_wait", "socket connect")
def socket_connect() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        for _ in range(2):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        with contextlib.suppress(TimeoutError):
            socket.create_connection(server.getsockname(), timeout=WAIT_S)


@probe("io_wait", "name lookup")
def getaddrinfo() -> None:
    socket.getaddrinfo("localhost", 80)


@probe("io_wait", "name lookup")
def gethostbyname() -> None:
    socket.gethostbyname("localhost")


@probe("io_wait", "tls")
def tls_handshake() -> None:
    near, far = socket.socketpair()
    near.settimeout(WAIT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(TimeoutError, ssl.SSLError):
        context.wrap_socket(near, server_hostname="localhost")
    far.close()


@probe("io_wait", "socket recv")
def tls_recv() -> None:
    certificate = FOLDER / "certificate.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout - -out -"
    text = subprocess.run(["openssl", *command.split()], capture_output=True, check=True).stdout
    certificate.write_bytes(text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificate)
    near, far = socket.socketpair()
    other_side = threading.Thread(target=serve_tls, args=(server, far))
    other_side.start()
    secure = client.wrap_socket(near, server_hostname="localhost")
    secure.recv(1)
    other_side.join()


def serve_tls(context: ssl.SSLContext, plain: socket.socket) -> None:
    secure = context.wrap_socket(plain, server_side=True)
    time.sleep(WAIT_S * 4)
    secure.sendall(b"x")


@probe("io_wait", "poll")
def select_select() -> None:
    select.select([], [], [], WAIT_S)


@probe("io_wait", "poll")
def poll() -> None:
    select.poll().poll(WAIT_S * 1000)


@probe("io_wait", "poll")
def epoll() -> None:
    select.epoll().poll(WAIT_S)


@probe("io_wait", "poll")
def selector() -> None:
    with selectors.DefaultSelector() as waiting:
        near, _far = socket.socketpair()
        waiting.register(near, selectors.EVENT_READ)
        waiting.select(WAIT_S)
