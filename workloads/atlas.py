"""An atlas of calls: which let the GIL go, from which size on, and for how much of their time.

It is often told that functions written in C let other threads run: "C functions release the GIL",
math.sin as well as hashlib or zlib. Each call below is made a few times at a few sizes by the only
Python thread there is, and a line of JSON tells when it began and ended (ns of CLOCK_MONOTONIC).

The page must show: the main thread is ``running`` but for the calls that let the GIL go, in which it
is ``native``, or off its core in ``io_wait``, ``sleep`` or ``blocked``. Between two calls, and in the
call named ``nothing``, it keeps the GIL.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import tempfile
import threading
import time
from typing import NamedTuple

MODULES = (
    "array", "ast", "base64", "binascii", "bisect", "bz2", "collections", "copy", "csv", "ctypes",
    "datetime", "decimal", "fcntl", "glob", "gzip", "hashlib", "heapq", "hmac", "html", "importlib", "io",
    "itertools", "json", "logging", "lzma", "marshal", "math", "mmap", "os", "pathlib", "pickle", "queue",
    "random", "re", "select", "shutil", "socket", "sqlite3", "ssl", "struct", "subprocess", "sys",
    "threading", "time", "tomllib", "unicodedata", "uuid", "xml.etree.ElementTree", "zlib",
    "compression.zstd", "numpy",
)  # fmt: skip

NO_SIZE = (0,)
HASHED = (64, 2_047, 2_048, 2_049, 500_000)
SUMMED = (64, 5_120, 5_121, 500_000)
BUFFERED = (100, 8_192, 8_193, 131_072, 131_073, 1_000_000)
ITEMS = (10, 20_000)
LETTERS = (10, 50_000)
COMPUTED = (10, 500, 501, 502, 50_000)
FLOATS = "a = numpy.random.default_rng(0).random(n)"
RECORDS = "x = [{'name': str(i), 'value': i / 7} for i in range(n)]"
TEXT = "x = ' '.join(str(i) for i in range(n))[:n]"
NOISE = "x = random.Random(0).randbytes(n // 2) * 2"
PAIR = "a, b = socket.socketpair()"


class Call(NamedTuple):
    """A call as timeit would have it; ``n`` in the code is the size."""

    name: str
    code: str
    sizes: tuple[int, ...] = NO_SIZE
    unit: str = ""
    setup: str = ""
    """Runs once for each size."""
    before: str = ""
    """Runs before each call, and is not measured."""


CONTROL = Call("nothing", "None")
NUMBERS = (
    Call("math.sin", "math.sin(0.5)"),
    Call("math.factorial", "math.factorial(n)", (20, 1_000, 10_000), "n"),
    Call("math.fsum", "math.fsum(x)", ITEMS, "items", "x = [i / 7 for i in range(n)]"),
    Call("math.gcd", "math.gcd(x, x // 3 * 2)", (64, 20_000), "bits", "x = (1 << n) - 1"),
    Call("pow of ints", "pow(x, x, x + 2)", (64, 1_024), "bits", "x = (1 << n) - 1"),
    Call("product of ints", "x * x", (64, 10_000, 300_000), "bits", "x = (1 << n) - 1"),
    Call("int of a str", "int(x)", (4, 4_000), "digits", "x = '7' * n"),
    Call("str of an int", "str(x)", (4, 4_000), "digits", "x = 10 ** n - 1"),
    Call("sum", "sum(x)", ITEMS, "items", "x = list(range(n))"),
    Call("decimal product", "c.multiply(x, x)", (10, 20_000), "digits",
         "c = decimal.Context(prec=n); x = decimal.Decimal('7' * n)"),
    Call("Decimal.sqrt", "x.sqrt(c)", (10, 2_000), "digits",
         "c = decimal.Context(prec=n); x = decimal.Decimal(2)"),
    Call("random.random", "random.random()"),
    Call("random.randbytes", "random.randbytes(n)", (16, 200_000), "bytes"),
    Call("random.shuffle", "random.shuffle(x)", ITEMS, "items", "x = list(range(n))"),
    Call("os.urandom", "os.urandom(n)", (16, 200_000), "bytes"),
    Call("uuid.uuid4", "uuid.uuid4()"),
)  # fmt: skip
HASHES = (
    *(
        Call(f"hashlib.{name}", f"hashlib.{name}(x)", HASHED, "bytes", "x = bytes(n)")
        for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")
    ),
    Call("sha256.update", "h.update(x)", HASHED, "bytes", "x = bytes(n); h = hashlib.sha256()"),
    Call("hmac.digest", "hmac.digest(b'key', x, 'sha256')", HASHED, "bytes", "x = bytes(n)"),
    Call("hashlib.pbkdf2_hmac", "hashlib.pbkdf2_hmac('sha256', b'a', b'b', n)", (1, 2_000), "iterations"),
    Call("hashlib.scrypt", "hashlib.scrypt(b'a', salt=b'b', n=n, r=8, p=1)", (2, 1_024), "n"),
    Call("zlib.crc32", "zlib.crc32(x)", SUMMED, "bytes", "x = bytes(n)"),
    Call("zlib.adler32", "zlib.adler32(x)", SUMMED, "bytes", "x = bytes(n)"),
    Call("binascii.crc32", "binascii.crc32(x)", SUMMED, "bytes", "x = bytes(n)"),
    Call("binascii.hexlify", "binascii.hexlify(x)", SUMMED, "bytes", "x = bytes(n)"),
    Call("base64.b64encode", "base64.b64encode(x)", SUMMED, "bytes", "x = bytes(n)"),
)
PACKERS = {"zlib": 100_000, "gzip": 100_000, "bz2": 20_000, "lzma": 20_000, "compression.zstd": 100_000}
COMPRESSION = tuple(
    call
    for module, size in PACKERS.items()
    for call in (
        Call(f"{module}.compress", f"{module}.compress(x)", (100, size), "bytes", NOISE),
        Call(f"{module}.decompress", f"{module}.decompress(y)", (100, size), "bytes",
             f"{NOISE}; y = {module}.compress(x)"),
    )
)  # fmt: skip
FORMATS = (
    Call("json.dumps", "json.dumps(x)", (1, 2_000), "items", RECORDS),
    Call("json.loads", "json.loads(y)", (1, 2_000), "items", f"{RECORDS}; y = json.dumps(x)"),
    Call("pickle.dumps", "pickle.dumps(x)", (1, 2_000), "items", RECORDS),
    Call("pickle.loads", "pickle.loads(y)", (1, 2_000), "items", f"{RECORDS}; y = pickle.dumps(x)"),
    Call("marshal.dumps", "marshal.dumps(x)", (1, 2_000), "items", RECORDS),
    Call("copy.deepcopy", "copy.deepcopy(x)", (1, 500), "items", RECORDS),
    Call("struct.pack", "struct.pack(f, *x)", ITEMS, "items", "x = range(n); f = f'{n}d'"),
    Call("csv.reader", "list(csv.reader(x))", (1, 2_000), "rows", "x = [f'{i},b,c' for i in range(n)]"),
    Call("csv.writer", "csv.writer(f).writerows(x)", (1, 2_000), "rows",
         "x = [(i, 'b', 'c') for i in range(n)]; f = io.StringIO()"),
    Call("ElementTree.fromstring", "xml.etree.ElementTree.fromstring(x)", (1, 2_000), "items",
         "x = '<a>' + '<b c=\"d\">e</b>' * n + '</a>'"),
    Call("tomllib.loads", "tomllib.loads(x)", (1, 200), "items",
         "x = ''.join(f'a{i} = {i}\\n' for i in range(n))"),
    Call("html.escape", "html.escape(x)", LETTERS, "letters", "x = '<' * n"),
    Call("array.frombytes", "array.array('d').frombytes(x)", (8, 1_000_000), "bytes", "x = bytes(n)"),
    Call("datetime.now", "datetime.datetime.now()"),
    Call("datetime.strftime", "x.strftime('%c')", setup="x = datetime.datetime(2000, 1, 1)"),
)  # fmt: skip
TEXTS = (
    Call("re.search", "r.search(x)", LETTERS, "letters", "x = 'a' * n; r = re.compile('a*b|c')",
         "x = x[:2000]"),
    Call("re.sub", "r.sub('b', x)", LETTERS, "letters", f"{TEXT}; r = re.compile('[0-4]')"),
    Call("re.compile", "re.compile('(a|b)*[c-d]+' * n)", (1, 50), "times", "", "re.purge()"),
    Call("str.replace", "x.replace('1', '22')", LETTERS, "letters", TEXT),
    Call("str.split", "x.split()", LETTERS, "letters", TEXT),
    Call("str.join", "','.join(x)", ITEMS, "items", "x = [str(i) for i in range(n)]"),
    Call("str.find", "x.find('ab')", LETTERS, "letters", "x = 'a' * n"),
    Call("str.upper", "x.upper()", LETTERS, "letters", "x = 'ä' * n"),
    Call("str.encode", "x.encode()", LETTERS, "letters", "x = 'ä' * n"),
    Call("bytes.decode", "x.decode()", LETTERS, "letters", "x = ('ä' * n).encode()"),
    Call("unicodedata.normalize", "unicodedata.normalize('NFD', x)", LETTERS, "letters", "x = 'ä' * n"),
)  # fmt: skip
CONTAINERS = (
    Call("sorted", "sorted(x)", ITEMS, "items", "x = [i * 7919 % 10007 for i in range(n)]"),
    Call("in a list", "-1 in x", ITEMS, "items", "x = list(range(n))"),
    Call("dict.fromkeys", "dict.fromkeys(x)", ITEMS, "items", "x = range(n)"),
    Call("intersection of sets", "x & y", ITEMS, "items", "x = set(range(n)); y = set(range(0, n, 2))"),
    Call("collections.Counter", "collections.Counter(x)", LETTERS, "letters", TEXT),
    Call("itertools.permutations", "list(itertools.permutations(range(n)))", (2, 7), "items"),
    Call("heapq.heapify", "heapq.heapify(x)", ITEMS, "items", "", "x = list(range(n, 0, -1))"),
    Call("bytes of a bytearray", "bytes(x)", (10, 4_000_000), "bytes", "x = bytearray(n)"),
    Call("gc.collect", "gc.collect()", (0, 20_000), "objects", "import gc; x = [[] for i in range(n)]"),
)
CODE = (
    Call("ast.parse", "ast.parse(x)", (1, 300), "lines", "x = 'a = b + 1\\n' * n"),
    Call("compile", "compile(x, 'x', 'exec')", (1, 300), "lines", "x = 'a = b + 1\\n' * n"),
    Call("import, first time", "importlib.import_module('atlas_probe')",
         setup="open('atlas_probe.py', 'w').write('a = 1\\n'); importlib.invalidate_caches()",
         before="sys.modules.pop('atlas_probe', None)"),
    Call("import, again", "importlib.import_module('json')"),
)  # fmt: skip
FILES = (
    Call("os.stat", "os.stat('.')"),
    Call("os.path.exists", "os.path.exists('.')"),
    Call("os.listdir", "os.listdir('.')"),
    Call("os.scandir", "list(os.scandir('.'))"),
    Call("glob.glob", "glob.glob('*.py')"),
    Call("os.mkdir", "os.mkdir('folder')", before="os.path.isdir('folder') and os.rmdir('folder')"),
    Call("os.rename", "os.rename('before', 'after')", before="open('before', 'w').close()"),
    Call("os.getcwd", "os.getcwd()"),
    Call("os.getpid", "os.getpid()"),
    Call("os.kill, signal 0", "os.kill(x, 0)", setup="x = os.getpid()"),
    Call("os.sched_yield", "os.sched_yield()"),
    Call("open", "open('.atlas', 'wb')"),
    Call("os.read", "os.read(f, n)", (1, 1_000_000), "bytes", "f = os.open('/dev/zero', os.O_RDONLY)"),
    Call("os.write", "os.write(f, x)", (1, 1_000_000), "bytes",
         "f = os.open('file', os.O_WRONLY | os.O_CREAT); x = bytes(n)", "os.lseek(f, 0, 0)"),
    Call("os.fsync", "os.fsync(f)", setup="f = os.open('synced', os.O_WRONLY | os.O_CREAT)"),
    Call("Path.read_bytes", "x.read_bytes()", (1, 1_000_000), "bytes",
         "x = pathlib.Path('read'); x.write_bytes(bytes(n))"),
    Call("write to a file", "f.write(x)", BUFFERED, "bytes", "f = open('written', 'wb'); x = bytes(n)",
         "f.seek(0)"),
    Call("readline of a file", "f.readline()",
         setup="open('lines', 'w').write('a\\n' * 50); f = open('lines')",
         before="f.readline()"),
    Call("print, not flushed", "print('a', file=f)", setup="f = open(os.devnull, 'w')"),
    Call("print, flushed", "print('a', file=f, flush=True)", setup="f = open(os.devnull, 'w')"),
    Call("BytesIO.write", "f.write(x)", (10, 1_000_000), "bytes", "x = bytes(n)", "f = io.BytesIO()"),
    Call("logging to a file", "log.error('a')",
         setup="log = logging.getLogger('atlas'); log.propagate = False;"
               "log.addHandler(logging.FileHandler(os.devnull))"),
    Call("shutil.copyfile", "shutil.copyfile('source', 'copy')", (1, 1_000_000), "bytes",
         "open('source', 'wb').write(bytes(n))"),
    Call("fcntl.flock", "fcntl.flock(f, fcntl.LOCK_EX)", setup="f = open('locked', 'w')"),
    Call("mmap.mmap", "mmap.mmap(-1, n)", (1, 4_000_000), "bytes"),
    Call("bytes of a mmap", "m[:]", (1, 4_000_000), "bytes", "", "m = mmap.mmap(-1, n)"),
    Call("mmap.flush", "m.flush()", (1, 1_000_000), "bytes",
         "f = open('mapped', 'w+b'); f.truncate(n); m = mmap.mmap(f.fileno(), n)"),
)  # fmt: skip
WAITS = (
    Call("time.sleep(0)", "time.sleep(0)"),
    Call("time.sleep(0.001)", "time.sleep(0.001)"),
    Call("time.time", "time.time()"),
    Call("time.localtime", "time.localtime()"),
    Call("Lock.acquire, free", "x.acquire()", before="x = threading.Lock()"),
    Call("Lock.acquire, taken", "x.acquire(timeout=0.001)", setup="x = threading.Lock(); x.acquire()"),
    Call("RLock.acquire, free", "x.acquire()", before="x = threading.RLock()"),
    Call("Event.wait, set", "x.wait()", setup="x = threading.Event(); x.set()"),
    Call("Event.wait, not set", "x.wait(0.001)", setup="x = threading.Event()"),
    Call("Queue.put, room", "x.put(1)", setup="x = queue.Queue()"),
    Call("SimpleQueue.get, item", "x.get()", setup="x = queue.SimpleQueue()", before="x.put(1)"),
    Call("select.select", "select.select([a], [], [], 0)", setup=PAIR),
    Call("epoll.poll", "x.poll(0)", setup="x = select.epoll()"),
    Call("socket.socketpair", "socket.socketpair()"),
    Call("socket.send", "a.send(x)", (1, 50_000), "bytes", "x = bytes(n)", PAIR),
    Call("socket.recv", "a.recv(n)", (1, 50_000), "bytes", "", f"{PAIR}; b.send(bytes(n))"),
    Call("socket.getaddrinfo", "socket.getaddrinfo('127.0.0.1', 80)"),
    Call("socket.gethostname", "socket.gethostname()"),
    Call("ssl.SSLContext", "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"),
    Call("subprocess.run", "subprocess.run(['true'])"),
    Call("sqlite3.connect", "sqlite3.connect(':memory:')"),
    Call("sqlite3 select", "c.execute('select 1').fetchone()", setup="c = sqlite3.connect(':memory:')"),
    Call("sqlite3 insert", "c.executemany('insert into t values (?)', x)", (1, 2_000), "rows",
         "c = sqlite3.connect(':memory:'); c.execute('create table t (a)'); x = [(i,) for i in range(n)]"),
    Call("sqlite3 sort", "c.execute('select a from t order by -a').fetchone()", (1, 5_000), "rows",
         "c = sqlite3.connect(':memory:'); c.execute('create table t (a)');"
         "c.executemany('insert into t values (?)', [(i,) for i in range(n)])"),
    Call("CDLL function", "x.abs(-1)", setup="x = ctypes.CDLL(None)"),
    Call("PyDLL function", "x.abs(-1)", setup="x = ctypes.PyDLL(None)"),
    Call("PyDLL usleep", "x.usleep(1000)", setup="x = ctypes.PyDLL(None)"),
    Call("ctypes.memmove", "ctypes.memmove(x, y, n)", (8, 1_000_000), "bytes",
         "x = ctypes.create_string_buffer(n); y = bytes(n)"),
    Call("ctypes.string_at", "ctypes.string_at(x, n)", (8, 1_000_000), "bytes",
         "x = ctypes.create_string_buffer(n)"),
)  # fmt: skip
NUMPY = (
    Call("numpy a @ b", "a @ a", (2, 22, 23, 150), "rows", "a = numpy.ones((n, n))"),
    Call("numpy a + b", "a + a", COMPUTED, "items", FLOATS),
    Call("numpy a + b, int8", "a + a", COMPUTED, "items", "a = numpy.ones(n, 'int8')"),
    Call("numpy a + b, objects", "a + a", ITEMS, "items", "a = numpy.array([1] * n, object)"),
    Call("numpy.sin", "numpy.sin(a)", COMPUTED, "items", FLOATS),
    Call("numpy sum", "a.sum()", COMPUTED, "items", FLOATS),
    Call("numpy cumsum", "a.cumsum()", COMPUTED, "items", FLOATS),
    Call("numpy copy", "a.copy()", COMPUTED, "items", FLOATS),
    Call("numpy astype", "a.astype('float32')", COMPUTED, "items", FLOATS),
    Call("numpy.concatenate", "numpy.concatenate([a, a])", COMPUTED, "items", FLOATS),
    Call("numpy.sort", "numpy.sort(a)", COMPUTED, "items", FLOATS),
    Call("numpy.argsort", "numpy.argsort(a)", COMPUTED, "items", FLOATS),
    Call("numpy.unique", "numpy.unique(a)", COMPUTED, "items", FLOATS),
    Call("numpy.searchsorted", "numpy.searchsorted(a, a)", COMPUTED, "items", f"{FLOATS}; a.sort()"),
    Call("numpy a[i]", "a[i]", COMPUTED, "items", f"{FLOATS}; i = numpy.arange(n)"),
    Call("numpy a[mask]", "a[m]", COMPUTED, "items", f"{FLOATS}; m = a > 0.5"),
    Call("numpy.nonzero", "numpy.nonzero(m)", COMPUTED, "items", f"{FLOATS}; m = a > 0.5"),
    Call("numpy.where", "numpy.where(m, a, 0)", COMPUTED, "items", f"{FLOATS}; m = a > 0.5"),
    Call("numpy.bincount", "numpy.bincount(a)", COMPUTED, "items", "a = numpy.arange(n)"),
    Call("numpy.array of a list", "numpy.array(x)", COMPUTED, "items", "x = [i / 7 for i in range(n)]"),
    Call("numpy tolist", "a.tolist()", COMPUTED, "items", FLOATS),
    Call("numpy.fft.fft", "numpy.fft.fft(a)", (10, 500, 501, 50_000), "items", FLOATS),
    Call("numpy.linalg.solve", "numpy.linalg.solve(a, a)", (2, 22, 23, 100), "rows", "a = numpy.eye(n)"),
    Call("numpy Generator.random", "r.random(n)", (1, 200_000), "items", "r = numpy.random.default_rng(0)"),
)
CALLS = (*NUMBERS, *HASHES, *COMPRESSION, *FORMATS, *TEXTS, *CONTAINERS, *CODE, *FILES, *WAITS, *NUMPY)


def imported():
    """The modules by the names the code uses, and the names of those this interpreter has not."""
    names, absent = {}, []
    for module in MODULES:
        try:
            importlib.import_module(module)
        except ImportError:
            absent.append(module)
            continue
        package = module.partition(".")[0]
        names[package] = sys.modules[package]
    return names, absent


def windows(call, size, modules, repeats):
    """When each of ``repeats`` calls began and ended; one before them, unmeasured, warms up."""
    names = {**modules, "n": size}
    exec(call.setup, names)
    before = compile(call.before, "before", "exec")
    function = eval(f"lambda: {call.code}", names)
    times = []
    for _ in range(repeats + 1):
        exec(before, names)
        begin = time.monotonic_ns()
        result = function()
        end = time.monotonic_ns()
        # what the result's end lets go is not the call's own: outside of the window
        del result
        times.append((begin, end))
    return times[1:]


def measure(call, modules, repeats):
    """A line for each size: its windows, or why there are none."""
    for size in call.sizes:
        line = {"call": call.name, "size": size, "unit": call.unit}
        try:
            yield {**line, "windows": windows(call, size, modules, repeats)}
        except Exception as error:  # noqa: BLE001  what one call meets must not cost the others
            yield {**line, "error": f"{type(error).__name__}: {error}"}


def main():
    parser = argparse.ArgumentParser(description="which calls let the GIL go?")
    parser.add_argument("--repeats", type=int, default=5, help="measured calls of each size")
    parser.add_argument("--only", default="", help="calls whose name contains this")
    args = parser.parse_args()
    modules, absent = imported()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.path.insert(0, folder)
        gc.disable()  # finalizers of others would let the GIL go
        for call in CALLS:
            missing = [module for module in absent if module in f"{call.setup} {call.code}"]
            if args.only not in call.name:
                continue
            lines += measure(CONTROL, modules, args.repeats)
            lines += (
                [{"call": call.name, "absent": missing[0]}]
                if missing
                else measure(call, modules, args.repeats)
            )
        os.chdir("/")
    print(json.dumps({"tid": threading.get_native_id()}))
    print(*map(json.dumps, lines), sep="\n")


if __name__ == "__main__":
    main()
