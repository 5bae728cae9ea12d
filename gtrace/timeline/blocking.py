"""The C functions of the standard library that let the GIL go, by the names viztracer gives them."""

from __future__ import annotations

from typing import Final

from gtrace.model import State

REASONS: Final[dict[str, str]] = {
    "sleep": "time.sleep",
    "timer": "a threading.Timer that has not run out yet",
    "lock": "a lock another thread holds",
    "rlock": "a reentrant lock another thread holds",
    "condition": "a condition nobody has notified yet",
    "event": "an event nobody has set yet",
    "semaphore": "a semaphore without a free permit",
    "barrier": "a barrier the others have not reached yet",
    "queue": "an item in a queue, or room for one",
    "thread join": "the end of a thread",
    "thread start": "a new thread's first step",
    "future": "the result of a future or of a pool's task",
    "import lock": "a module another thread is importing",
    "process queue": "an item in a queue shared with other processes, or room for one",
    "process lock": "a lock, semaphore or condition shared with other processes",
    "file lock": "a lock on a file",
    "socket recv": "bytes from a socket",
    "socket send": "room in a socket's send buffer",
    "socket accept": "a client that connects",
    "socket connect": "a server that answers",
    "tls": "the other side of a TLS connection",
    "name lookup": "the address of a host, or an entry of the user database",
    "poll": "the first of several files or sockets to get ready",
    "event loop": "whatever the event loop's next callback is for",
    "pipe": "the other end of a pipe, or of a multiprocessing connection",
    "child process": "the output or the end of a child process",
    "signal": "a signal",
    "terminal": "the person at the terminal",
    "file open": "a file to open or close",
    "file read": "bytes from a file, pipe or terminal",
    "file write": "room in a file, pipe or terminal",
    "file copy": "a file to be copied",
    "file sync": "the disk",
    "file system": "a folder's or a file's entry",
    "compression": "compresses or decompresses",
    "checksum": "computes a checksum",
    "hashing": "computes a hash",
    "random bytes": "fetches random bytes from the kernel",
    "sqlite": "the SQLite library",
}
"""Every word a reason can be, and what a thread with this reason waits for or does."""

_WAITS_FOR_LOCKS: Final = {
    "lock": "_thread.lock.acquire _thread.lock.acquire_lock _thread.lock.__enter__",
    "rlock": "_thread.RLock.acquire _thread.RLock.__enter__ _thread.RLock._acquire_restore",
    "queue": "_queue.SimpleQueue.get",
    "thread join": "_thread._ThreadHandle.join _thread._shutdown",
    "import lock": "_imp.acquire_lock",
    "process lock": "_multiprocessing.SemLock.acquire _multiprocessing.SemLock.__enter__",
    "file lock": "fcntl.flock fcntl.lockf posix.lockf",
}

_WAITS_FOR_IO: Final = {
    "socket recv": """socket.recv socket.recv_into socket.recvfrom socket.recvfrom_into socket.recvmsg
        socket.recvmsg_into""",
    "socket send": """socket.send socket.sendall socket.sendto socket.sendmsg socket.sendmsg_afalg
        posix.sendfile""",
    "socket accept": "socket._accept",
    "socket connect": "socket.connect socket.connect_ex",
    "tls": "_ssl._SSLSocket.do_handshake _ssl._SSLSocket.read _ssl._SSLSocket.write _ssl._SSLSocket.shutdown",
    "name lookup": """_socket.getaddrinfo _socket.getnameinfo _socket.gethostbyname _socket.gethostbyname_ex
        _socket.gethostbyaddr pwd.getpwnam pwd.getpwuid grp.getgrnam grp.getgrgid""",
    "poll": "select.select select.poll.poll select.epoll.poll",
    "event loop": "_tkinter.tkapp.mainloop",
    "child process": "posix.waitpid posix.wait posix.wait3 posix.wait4 posix.waitid posix.system",
    "signal": "_signal.pause _signal.sigwait _signal.sigwaitinfo _signal.sigtimedwait",
    "terminal": """builtins.input termios.tcdrain termios.tcflow termios.tcflush termios.tcgetattr
        termios.tcsendbreak termios.tcsetattr _curses.window.getch _curses.window.getkey
        _curses.window.get_wch _curses.window.getstr""",
    "file open": """_io.open io.open _io.open_code io.open_code posix.open posix.close posix.closerange
        _io.FileIO.close _io.BufferedReader.close _io.BufferedWriter.close _io.BufferedRandom.close
        _io.TextIOWrapper.close""",
    "file read": """posix.read posix.readv posix.pread posix.preadv posix.readinto posix.eventfd_read
        _io.FileIO.read _io.FileIO.readall _io.FileIO.readinto _io.FileIO.readline _io.FileIO.readlines
        _io.BufferedReader.read _io.BufferedReader.read1 _io.BufferedReader.readinto
        _io.BufferedReader.readinto1 _io.BufferedReader.readline _io.BufferedReader.readlines
        _io.BufferedReader.peek _io.BufferedRandom.read _io.BufferedRandom.read1
        _io.BufferedRandom.readinto _io.BufferedRandom.readinto1 _io.BufferedRandom.readline
        _io.BufferedRandom.readlines _io.BufferedRandom.peek _io.BufferedRWPair.read
        _io.BufferedRWPair.read1 _io.BufferedRWPair.readinto _io.BufferedRWPair.readinto1
        _io.BufferedRWPair.peek _io.BufferedRWPair.readline _io.BufferedRWPair.readlines
        _io.TextIOWrapper.read _io.TextIOWrapper.readline _io.TextIOWrapper.readlines""",
    "file write": """posix.write posix.writev posix.pwrite posix.pwritev posix.eventfd_write posix.splice
        _io.FileIO.write _io.FileIO.writelines _io.BufferedWriter.write _io.BufferedWriter.writelines
        _io.BufferedWriter.flush _io.BufferedRandom.write _io.BufferedRandom.writelines
        _io.BufferedRandom.flush _io.BufferedRWPair.write _io.BufferedRWPair.writelines
        _io.BufferedRWPair.flush _io.TextIOWrapper.write _io.TextIOWrapper.writelines
        _io.TextIOWrapper.flush builtins.print syslog.syslog""",
    "file copy": "posix.copy_file_range",
    # mmap.flush is not here: up to 3.15 it waits for the disk with the GIL in its hands.
    "file sync": "posix.fsync posix.fdatasync posix.sync",
    "file system": """posix.access posix.chdir posix.chmod posix.chown posix.fchdir posix.fchmod
        posix.fchown posix.fstat posix.fstatvfs posix.ftruncate posix.getcwd posix.getxattr posix.lchown
        posix.link posix.listdir posix.listxattr posix.lseek posix.lstat posix.mkdir posix.mkfifo
        posix.mknod posix.posix_fadvise posix.posix_fallocate posix.readlink posix.remove
        posix.removexattr posix.rename posix.replace posix.rmdir posix.scandir posix.setxattr posix.stat
        posix.statvfs posix.symlink posix.truncate posix.unlink posix.utime fcntl.fcntl fcntl.ioctl""",
}

_COMPUTES_WITHOUT_GIL: Final = {
    "compression": """zlib.compress zlib.decompress zlib.Compress.compress zlib.Compress.flush
        zlib.Decompress.decompress zlib.Decompress.flush zlib._ZlibDecompressor.decompress
        _bz2.BZ2Compressor.compress _bz2.BZ2Compressor.flush _bz2.BZ2Decompressor.decompress
        _lzma.LZMACompressor.compress _lzma.LZMACompressor.flush _lzma.LZMADecompressor.decompress
        compression.zstd.ZstdCompressor.compress compression.zstd.ZstdCompressor.flush
        compression.zstd.ZstdDecompressor.decompress _zstd.train_dict _zstd.finalize_dict""",
    "checksum": "zlib.crc32 zlib.adler32 binascii.crc32",
    "hashing": """_hashlib.new _hashlib.pbkdf2_hmac _hashlib.scrypt _hashlib.hmac_digest
        _hashlib.hmac_new _hashlib.HASH.update _hashlib.HASHXOF.update _hashlib.HMAC.update
        _hashlib.openssl_md5 _hashlib.openssl_sha1 _hashlib.openssl_sha224 _hashlib.openssl_sha256
        _hashlib.openssl_sha384 _hashlib.openssl_sha512 _hashlib.openssl_sha3_224
        _hashlib.openssl_sha3_256 _hashlib.openssl_sha3_384 _hashlib.openssl_sha3_512
        _hashlib.openssl_shake_128 _hashlib.openssl_shake_256 _blake2.blake2b.update
        _blake2.blake2s.update _sha2.SHA224Type.update _sha2.SHA256Type.update _sha2.SHA384Type.update
        _sha2.SHA512Type.update _sha3.sha3_224.update _sha3.sha3_256.update _sha3.sha3_384.update
        _sha3.sha3_512.update _sha3.shake_128.update _sha3.shake_256.update
        _hmac.HMAC.update _hmac.new _hmac.compute_digest""",
    "random bytes": "posix.urandom posix.getrandom",
    "sqlite": """_sqlite3.connect sqlite3.Connection.execute sqlite3.Connection.executemany
        sqlite3.Connection.executescript sqlite3.Connection.commit
        sqlite3.Connection.rollback sqlite3.Connection.backup sqlite3.Connection.close
        sqlite3.Cursor.execute sqlite3.Cursor.executemany sqlite3.Cursor.executescript
        sqlite3.Cursor.fetchone sqlite3.Cursor.fetchmany sqlite3.Cursor.fetchall""",
}


def _flat(state: State, names_by_reason: dict[str, str]) -> dict[str, tuple[State, str]]:
    return {name: (state, reason) for reason, names in names_by_reason.items() for name in names.split()}


BLOCKING: Final[dict[str, tuple[State, str]]] = {
    "time.sleep": (State.SLEEP, "sleep"),
    **_flat(State.LOCK_WAIT, _WAITS_FOR_LOCKS),
    **_flat(State.IO_WAIT, _WAITS_FOR_IO),
    **_flat(State.NATIVE, _COMPUTES_WITHOUT_GIL),
}
"""C function -> what a thread inside it does, and why."""

INHERITED: Final[dict[str, tuple[State, str]]] = {
    name.removeprefix("socket."): call for name, call in BLOCKING.items() if name.startswith("socket.")
}
"""Method -> the same, for subclasses of ``socket.socket``: the events carry the name of the subclass."""

NOT_A_SOCKET: Final = frozenset({"generator", "coroutine", "async_generator"})
"""Types of the interpreter with a method that is also one of a socket."""
