# SPDX-License-Identifier: MIT
"""serving.py - a device model, ringfence before it and a client that verifies, natively; and
what tests need that kill the processes in between. To be imported in the project's top
directory."""
import json, os, shutil, signal, subprocess, tempfile, time


class Broken(Exception):
    pass


def until(what, seconds, condition):
    """What the condition gives once it gives something. On a host that is busy with something else
    so many seconds are no time at all: they are over only once it was tried four times in each."""
    end, tries = time.monotonic() + seconds, 4 * seconds
    while True:
        got = condition()
        if got:
            return got
        tries -= 1
        if tries <= 0 and time.monotonic() > end:
            raise Broken(f"{what}: not within {seconds} s")
        time.sleep(0.001)


class Served:
    """A model, ringfence before it, and a client that verifies: over NBD, or a load generator. nbd
    'listener': no client but the caller's. policy: lines that are added to that of nvme. model:
    more options of the model."""

    def __init__(self, nbd, log, seed, policy="", model=()):
        self.dir = tempfile.mkdtemp(prefix="ringfence-kill.")
        self.log, self.nbd = log, nbd
        self.children = []
        self.start_model("--size", "128M", *model)
        export = f"nbd {self.dir}/nbd.sock" if nbd else \
            f"program {os.getcwd()}/build/tests/rf-load output {self.dir}/load.json " \
            "mode=randrw verify=1 bs=4096 qd=16 span=32M requests=2000 rounds=1000000 " \
            f"seed={seed}"
        with open("policy/nvme.policy") as f, open(f"{self.dir}/nvme.policy", "w") as out:
            out.write(f.read() + policy)
        with open(f"{self.dir}/rf.conf", "w") as f:
            f.write(f"run-dir {self.dir}/run\ndriver-dir {os.getcwd()}/build/drivers\n"
                    f"policy-dir {self.dir}\n"
                    f"device disk0\n  policy nvme\n  socket {self.dir}/nvme.sock\n"
                    f"  export {export}\n")
        self.keeper = self.start("build/bin/ringfence", "run", f"{self.dir}/rf.conf")
        until("driver", 60, lambda: self.status(True)["driver_pid"] > 0)
        if nbd == "listener":
            return
        if nbd:
            self.client = subprocess.Popen(["tests/recovery/nbd-client", f"{self.dir}/nbd.sock",
                                            str(seed)], stdout=subprocess.PIPE,
                                           stderr=self.log, text=True)
            if self.client.stdout.readline() != "going\n":
                raise Broken("the client does not come up")
        self.progress(2000)

    def start_model(self, *options):
        """Its control socket is gone with it, and tells when the next one is there."""
        ready = f"{self.dir}/ctl.{len(self.children)}"
        model = self.start("build/models/nvme", "--socket", f"{self.dir}/nvme.sock",
                           "--control", ready, "--block", "4096", *options)
        until("model", 60, lambda: os.path.exists(ready))
        return model

    def start(self, *words):
        p = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.children.append(p)
        return p

    def status(self, quiet=False):
        for _ in range(100):
            p = subprocess.run(["build/bin/ringfence", "--run-dir", f"{self.dir}/run", "status",
                                "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if p.returncode == 0 and p.stdout:
                return json.loads(p.stdout)[0]
            if quiet:
                return dict(driver_pid=0)
            time.sleep(0.01)
        raise Broken("nobody answers")

    def progress(self, requests):
        """That many more requests done, by a driver that runs, with a standby behind it."""
        first = self.status()["completed"]
        return until("progress", 60, lambda: (s := self.status()) and
                     s["completed"] >= first + requests and s["driver_pid"] and
                     s["standby_pid"] and s)

    def finish(self):
        """Errors the client saw, and what it did."""
        if self.nbd:
            self.client.send_signal(signal.SIGTERM)
            figures = json.loads(self.client.communicate(timeout=120)[0].splitlines()[-1])
        else:
            def lines():
                with open(f"{self.dir}/load.json") as f:
                    return f.readlines()
            before = len(lines())
            until("the end of a round", 120, lambda: len(lines()) > before)
            rounds = [json.loads(l) for l in lines() if l.endswith("\n")]
            figures = dict(client_errors=sum(r["errors"] + r["mismatches"] for r in rounds),
                           bytes_verified=4096 * sum(r["verified"] for r in rounds))
        self.last = self.status()
        deaths = f"{self.dir}/run/deaths.jsonl"
        with open(deaths if os.path.exists(deaths) else "/dev/null") as f:
            self.deaths = [json.loads(l) for l in f]
        return figures

    def close(self):
        for p in reversed(self.children):
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
            try:
                p.wait(60)
            except subprocess.TimeoutExpired:
                p.kill()
        if hasattr(self, "client") and self.client.poll() is None:
            self.client.kill()
        shutil.rmtree(self.dir)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def expect(what, got, wanted):
    if got != wanted:
        raise Broken(f"{what}: {got}, not {wanted}")
