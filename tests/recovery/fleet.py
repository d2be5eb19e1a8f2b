# SPDX-License-Identifier: MIT
"""fleet.py - many device models, and one ringfence that serves them by NBD, each at a socket of its
own, natively. To be imported in the project's top directory."""
import json, os, resource, shutil, signal, subprocess, tempfile, time
from plain_nbd import BLOCK, Nbd
from serving import Broken, expect, until

POLICY = "small.policy"


def block_of(name, number):
    """What is written to a block of a device, and to no other one."""
    return (f"{name} block {number} ".encode() * BLOCK)[:BLOCK]


class Fleet:
    """names: its devices. Each starts as lines() says, unless other lines are given."""

    def __init__(self, names, log):
        self.dir = tempfile.mkdtemp(prefix="ringfence-fleet.")
        os.chmod(self.dir, 0o755)
        self.log = log
        self.models, self.ringfence = {}, None
        self.children = []
        # One model is one process with a few files; ringfence itself needs 64 a device.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with open("policy/nvme.policy") as f, open(f"{self.dir}/{POLICY}", "w") as out:
            out.write(f.read())
        self.devices = {name: self.lines(name) for name in names}
        self.write()

    # ---- configuration

    def lines(self, name, *more):
        return [f"policy {self.dir}/{POLICY}", f"socket {self.dir}/{name}.model",
                f"export nbd {self.dir}/{name}.nbd", "arena 2M", *more]

    def write(self, head=()):
        """Makes the configuration what self.devices says. Who reads sees all of it or nothing."""
        with open(f"{self.dir}/new", "w") as f:
            drivers = f"{os.getcwd()}/build/drivers"
            for line in (f"run-dir {self.dir}/run", f"driver-dir {drivers}", *head):
                f.write(f"{line}\n")
            for name, lines in self.devices.items():
                f.write(f"device {name}\n" + "".join(f"  {line}\n" for line in lines))
        os.rename(f"{self.dir}/new", f"{self.dir}/rf.conf")

    # ---- processes

    def start_model(self, name):
        self.models[name] = self.popen("build/models/nvme", "--socket", f"{self.dir}/{name}.model",
                                       "--size", "4M", "--block", "4096", "--serial", name)

    def popen(self, *words):
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def start_models(self, names):
        for name in names:
            self.start_model(name)
        for name in names:
            until(f"model of {name}", 120, lambda: os.path.exists(f"{self.dir}/{name}.model"))

    def start(self):
        self.ringfence = self.popen("build/bin/ringfence", "run", f"{self.dir}/rf.conf")

    def rf(self, *words):
        return subprocess.run(["build/bin/ringfence", "--run-dir", f"{self.dir}/run", *words],
                              capture_output=True, text=True, timeout=180)

    def status(self):
        """Devices by name; none while nobody answers."""
        if self.ringfence.poll() is not None:
            raise Broken(f"ringfence ended with {self.ringfence.returncode}")
        p = self.rf("status", "--json")
        return {d["device"]: d for d in json.loads(p.stdout)} if p.returncode == 0 else {}

    def served(self, names, seconds=120):
        """Until exactly these are there, each with a driver and a standby. Their status."""
        def all_there():
            s = self.status()
            return set(s) == set(names) and all(serves(d) for d in s.values()) and s
        return until(f"all {len(names)} devices", seconds, all_there)

    def stop(self):
        """In good order. What is left of it afterwards is an error."""
        pids = descendants(self.ringfence.pid)
        expect("stop", self.rf("stop").returncode, 0)
        expect("exit code", self.ringfence.wait(180), 0)
        left = [p for p in pids if os.path.exists(f"/proc/{p}/exe") and alive(p)]
        expect("processes left", left, [])
        expect("sockets left", [f for f in os.listdir(self.dir) if f.endswith(".nbd")], [])

    def close(self):
        if self.ringfence and self.ringfence.poll() is None:
            self.ringfence.send_signal(signal.SIGTERM)
            try:
                self.ringfence.wait(120)
            except subprocess.TimeoutExpired:
                self.ringfence.kill()
        for p in self.models.values():
            p.kill()
            p.wait()
        shutil.rmtree(self.dir)

    # ---- clients

    def client(self, name):
        return Nbd(f"{self.dir}/{name}.nbd")


def serves(d):
    return d["state"] == "running" and d["driver_pid"] and d["standby_pid"]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def descendants(pid):
    """All processes below it, and it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [pid] + [p for child in f.read().split() for p in descendants(int(child))]
    except OSError:
        return []


def wrote(client, name, number):
    expect(f"{name}: a write", client.write(number, block_of(name, number)), 0)


def verified(client, name, number):
    error, got = client.contents(number)
    expect(f"{name}: a read", error, 0)
    if got != block_of(name, number):
        raise Broken(f"{name}: block {number} holds {got[:32]}")
