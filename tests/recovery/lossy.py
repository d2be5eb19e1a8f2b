# SPDX-License-Identifier: MIT
"""lossy.py - an NVMe model whose cache goes with resets, or an adapter that resets itself, with
ringfence before it; a client of its export, and one of the model's own. To be imported in the
project's top directory."""
import json, os, shutil, socket, struct, subprocess, tempfile
from serving import Broken, expect, kill, until

READ, WRITE, DISC, FLUSH, FUA = 0, 1, 2, 3, 1
EIO = 5
OLD, NEW = b"0" * 4096, b"N" * 4096


class Client:
    """One connection, one request at a time."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(120)
        until("a connection", 60, lambda: self.connected(path))

    def connected(self, path):
        try:
            self.s.connect(path)
            magic, _, flags = struct.unpack(">QQH", self.take(18))
            self.s.sendall(struct.pack(">I", flags & 3) + struct.pack(">QII", 0x49484156454F5054, 1,
                                                                      0))
            self.take(10 if flags & 2 else 134)
            return magic == 0x4E42444D41474943
        except (OSError, ConnectionError):
            self.s.close()
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(120)
            return False

    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def ask(self, op, data=b"", flags=0, at=0):
        """Block 0, if not told another. The error, and for a read the data."""
        length = 4096 if op in (READ, WRITE) else 0
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, flags, op, 7, at * 4096, length) + data)
        magic, error, _ = struct.unpack(">IIQ", self.take(16))
        expect("magic", magic, 0x67446698)
        return error, self.take(4096) if op == READ and not error else b""

    def write(self, data, flags=0, at=0):
        expect("a write", self.ask(WRITE, data, flags, at)[0], 0)

    def read(self):
        error, data = self.ask(READ)
        expect("a read", error, 0)
        return data

    def flush(self):
        return self.ask(FLUSH)[0]

    def leave(self):
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, DISC, 8, 0, 0))
        try:
            self.take(1)
        except ConnectionError:
            pass
        self.s.close()


BARE = """driver null_blk
service block
control none
disk 16M block 4096
arena 4M
queue-memory 4K
queue-entries 2
interrupt msix
syscalls driver-irq
payload rw
reset write 32 bar0 0x14 mask 0x00000001 value 0
reset poll 32 bar0 0x1c mask 0x00000001 value 0 within 2s
restart progress-free 8 backoff 10ms cap 5s
"""


class Rig:
    def __init__(self, cache="lossy", reset="kept", backoff="10ms", deaths=8, bare=False,
                 integrity=False,
                 strict=False, queues=None):
        """reset: what the policy says a soft reset does to the cache, and queues, whether a
        driver's death is one: yes with "lost", unless it is said. deaths: the budget. bare: a
        device that keeps its state, without an admin plane, and not yet run. integrity: disk."""
        self.dir = tempfile.mkdtemp(prefix="ringfence-losses.")
        self.log = open(f"{self.dir}/log", "w")
        self.keeper = None
        self.serve(cache, *(["--keep-state"] if bare else ["--strict"] if strict else []))
        with open("policy/nvme.policy") as f, open(f"{self.dir}/nvme.policy", "w") as to:
            for line in f.readlines() if not bare else BARE.splitlines(True):
                to.write("stall 500ms\n" if line.startswith("stall") else
                         f"cache {reset}\n" if line.startswith("cache") else
                         line.replace("progress-free 8 backoff 10ms",
                                      f"progress-free {deaths} backoff {backoff}"))
        with open(f"{self.dir}/nvme.policy", "a") as to:
            if deaths != 8:
                to.write("server-away 1s\n")  # deaths within it do not count
            if (queues or ("no" if reset == "lost" else "yes")) == "no":
                to.write("queue-reset no\n")
        with open(f"{self.dir}/rf.conf", "w") as f:
            f.write(f"run-dir {self.dir}/run\npolicy-dir {self.dir}\ndriver-dir "
                    f"{os.getcwd()}/build/drivers\n"
                    f"device disk0\n  policy nvme\n  socket {self.dir}/nvme.sock\n  export nbd "
                    f"{self.dir}/nbd\n")
        if integrity:
            self.format()
        if not bare:
            self.run()

    def serve(self, cache, *options):
        self.model = self.start("build/models/nvme", "--socket", f"{self.dir}/nvme.sock",
                                "--control",
                                f"{self.dir}/ctl", "--size", "16M", "--block", "4096", "--cache",
                                cache, *options)
        until("the model", 60, lambda: self.tell("counters") is not None)

    def logged(self, text):
        with open(f"{self.dir}/log") as f:
            return f.read().count(text)

    def format(self):
        with open(os.open(f"{self.dir}/key", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(os.urandom(16))
        with open(f"{self.dir}/rf.conf", "a") as f:
            f.write(f"  integrity disk {self.dir}/key\n")
        expect("a format", self.start("build/bin/ringfence", "format", f"{self.dir}/rf.conf",
                                      "disk0", "--yes").wait(60), 0)

    def run(self):
        self.keeper = self.start("build/bin/ringfence", "run", f"{self.dir}/rf.conf")
        self.running()

    def start(self, *words):
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def tell(self, *words):
        p = subprocess.run(["build/tests/model_ctl", f"{self.dir}/ctl", *words],
                           stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True)
        return p.stdout if p.returncode == 0 else None

    def status(self):
        p = subprocess.run(["build/bin/ringfence", "--run-dir", f"{self.dir}/run", "status",
                            "--json"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return json.loads(p.stdout)[0] if p.returncode == 0 and p.stdout else {}

    def running(self, *not_these):
        """Status, once a driver runs and none of these processes is left."""
        def there():
            s = self.status()
            return s.get("driver_pid", 0) > 0 and s["device_pid"] and s["export_pid"] and \
                not {s["driver_pid"], s["device_pid"], s["export_pid"]} & set(not_these) and s
        return until("a driver", 60, there)

    def kill(self, *whom):
        s = self.running()
        pids = [s[w + "_pid"] for w in whom]
        for pid in pids:
            kill(pid)
        return self.running(*pids)

    def none_left(self, deaths):
        """Kills whoever drives; true once so many died and the next one is held back."""
        s = self.status()
        if s.get("driver_pid", 0):
            kill(s["driver_pid"])
        return s and s["deaths"] >= deaths and not s["driver_pid"] and not s["standby_pid"]

    def client(self):
        return Client(f"{self.dir}/nbd")

    def close(self):
        for p in filter(None, (self.keeper, self.model)):
            p.terminate()
            try:
                p.wait(60)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.log.close()
        shutil.rmtree(self.dir)


class Adapter(Rig):
    """An 82574 at the end of a cable on which nothing ever comes, and nobody sends."""

    def __init__(self, lines=""):
        self.dir = tempfile.mkdtemp(prefix="ringfence-losses.")
        self.log = open(f"{self.dir}/log", "w")
        self.keeper = None
        self.model = self.start("build/models/e1000e", "--socket", f"{self.dir}/nic.sock",
                                "--control", f"{self.dir}/ctl",
                                "--loop", "yes")
        until("the model", 60, lambda: self.tell("counters") is not None)
        with open("policy/e1000e.policy") as f, open(f"{self.dir}/e1000e.policy", "w") as to:
            to.write(f.read() + lines)
        with open(f"{self.dir}/rf.conf", "w") as f:
            f.write(f"run-dir {self.dir}/run\npolicy-dir {self.dir}\ndriver-dir "
                    f"{os.getcwd()}/build/drivers\n"
                    f"device nic0\n  policy e1000e\n  socket {self.dir}/nic.sock\n"
                    f"  export program {os.getcwd()}/build/tests/rf-netload output"
                    f" {self.dir}/load mode=forward frames=1000000000\n")
        self.run()


class Registers:
    """A vfio-user client that reads and writes BAR 0, until it is closed."""

    def __init__(self, path):
        # The server refuses a second client, and may not have noticed yet that the first one ended.
        until("the server's only place", 60, lambda: self.taken(path))

    def taken(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)
        try:
            self.call(1, struct.pack("<HH", 0, 1) + b'{"capabilities":{}}\0')
        except Broken:
            self.s.close()
            return False
        return True

    def call(self, command, body):
        self.s.sendall(struct.pack("<HHIII", 1, command, 16 + len(body), 0, 0) + body)
        head = self.s.recv(16, socket.MSG_WAITALL)
        _, _, size, flags, _ = struct.unpack("<HHIII", head)
        expect("a server's error", flags & 0x20, 0)
        return self.s.recv(size - 16, socket.MSG_WAITALL)

    def get(self, at):
        return struct.unpack("<I", self.call(9, struct.pack("<QII", at, 0, 4))[16:])[0]

    def put(self, at, value):
        self.call(10, struct.pack("<QII", at, 0, 4) + struct.pack("<I", value))
