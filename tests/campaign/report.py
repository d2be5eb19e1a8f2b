# SPDX-License-Identifier: MIT
"""report.py - what came of a campaign: a table, pictures, and the figures."""
import json, subprocess
from collections import Counter, defaultdict
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent.parent / "build/results"
CODE = ["bit-flip", "nop", "source", "destination", "pointer", "branch", "loop", "parameter"]
KINDS = CODE + ["data", "mmio", "dma", "interrupt", "time", "device"]
# What a fault that was activated came to. A driver that died of a lie it told is "violation".
OUTCOMES = ["none", "reported", "crash", "violation", "hang", "stall", "device-process-replaced",
            "silent", "escape"]
COLOURS = dict(zip(OUTCOMES, ["#c9d4dd", "#9fb8c9", "#4878a8", "#7a5ea8", "#d9a441", "#c97b3c",
                              "#8a8a8a", "#c0392b", "#000000"]))
WRONG = ["stale", "misplaced", "torn", "zeroed", "garbage"]
# These can not make a driver or its device say anything false: a wrong block is ours.
HARMLESS = {"interrupt", "time"}


def outcome(f):
    if "escape" in f:
        return "escape"
    if f.get("wrong") and f["kind"] not in HARMLESS:
        return "silent"
    return f["outcome"]


class Tally:
    def __init__(self):
        self.kinds = {k: Counter() for k in KINDS}
        self.recoveries, self.wrong, self.worst = [], defaultdict(Counter), []
        self.deaths = self.kills = self.unrecovered = self.lost = self.errors = 0
        self.verified = self.requests = 0

    def add(self, f):
        if f.get("end"):
            self.verified += f["blocks_verified"]
            self.requests += f["requests"]
            return
        k = self.kinds[f["kind"]]
        k["injected"] += 1
        self.deaths += f["deaths"]
        self.kills += f["kills"]
        self.unrecovered += f.get("unrecovered", False)
        if "recovery_us" in f:
            self.recoveries.append(f["recovery_us"])
        if "escape" in f or f.get("unrecovered"):
            self.worst.append(f)
        if f.get("wrong") and (not f["activated"] or f["kind"] in HARMLESS):
            self.lost += f["wrong"]
            self.worst.append(f)
        if not f["activated"]:
            k["escape"] += "escape" in f
            return
        k["activated"] += 1
        k[outcome(f)] += 1
        if f.get("wrong"):
            for w in WRONG:
                self.wrong[f["kind"]][w] += f.get(w, 0)
        self.errors += f.get("errors", 0)

    def total(self, what, kinds=KINDS):
        return sum(self.kinds[k][what] for k in kinds)


def percentile(values, p):
    return sorted(values)[(len(values) - 1) * p // 100] if values else None


def table(t):
    heads = ["fault", "injected", "activated"] + OUTCOMES
    rows = [[k] + [t.kinds[k][h] for h in heads[1:]] for k in KINDS]
    rows.append(["all code"] + [t.total(h, CODE) for h in heads[1:]])
    rows.append(["all"] + [t.total(h) for h in heads[1:]])
    width = [max(len(str(r[i])) for r in rows + [heads]) for i in range(len(heads))]
    lines = ["  ".join(str(c).rjust(w) if i else str(c).ljust(w)
                       for i, (c, w) in enumerate(zip(r, width)))
             for r in [heads] + rows]
    lines += ["",
              "Wrong data that driver or device passed off as right (blocks), by what the block "
              "held:"]
    for k in KINDS:
        if sum(t.wrong[k].values()):
            lines.append(f"  {k:12}" + "".join(f"{t.wrong[k][w]:>8} {w}" for w in WRONG))
    return "\n".join(lines) + "\n"


# ---- pictures ---------------------------------------------------------------------------------

def svg(name, width, height, body):
    (RESULTS / "campaign" / name).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>' + "".join(body) +
        "</svg>\n")


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def picture_outcomes(t, name):
    """A bar a kind of fault: shares of what the activated ones came to."""
    left, bar, body = 190, 560, []
    for i, k in enumerate(KINDS):
        y, x, n = 40 + i * 26, left, t.kinds[k]["activated"]
        body.append(text(left - 8, y + 14, f"{k} ({n})", "end"))
        for o in OUTCOMES:
            w = bar * t.kinds[k][o] / n if n else 0
            if w:
                body.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="19" fill="{COLOURS[o]}">'
                            f'<title>{k}: {o} {t.kinds[k][o]}</title></rect>')
            x += w
    x, y = left, 40 + len(KINDS) * 26 + 14
    for o in OUTCOMES:
        words = 24 + 7 * len(o)
        if x + words > left + bar:
            x, y = left, y + 20
        body += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[o]}"/>',
                 text(x + 16, y, o)]
        x += words
    body.append(text(left, 24, "What activated faults came to, by kind (how many)"))
    svg(name, left + bar + 30, y + 20, body)


def picture_recovery(t, name):
    """How long until a full queue was answered by the next driver; logarithmic."""
    left, width, height, body = 60, 640, 220, []
    bins = Counter()
    for us in t.recoveries:
        n = 0
        while us >= 100 * 2 ** ((n + 1) / 2):
            n += 1
        bins[n] += 1
    last, most = max(bins), max(bins.values())
    step = width / (last + 1)
    for n in range(last + 1):
        h = height * bins[n] / most
        body.append(
            f'<rect x="{left + n * step:.1f}" y="{40 + height - h:.1f}" width="{step - 1:.1f}" '
            f'height="{h:.1f}" '
                    f'fill="#4878a8"><title>{bins[n]}</title></rect>')
        if n % 4 == 0:
            us = 100 * 2 ** (n / 2)
            body.append(text(left + n * step, 56 + height, f"{us:.0f} us" if us < 1000
                             else f"{us / 1000:.3g} ms"
                             if us < 1e6 else f"{us / 1e6:.3g} s", "middle"))
    body += [text(left, 24,
                  f"From a driver's death until a full queue was answered: {len(t.recoveries)} "
                  f"deaths"),
             text(left - 6, 46, str(most), "end"), text(left - 6, 40 + height, "0", "end")]
    svg(name, left + width + 40, height + 80, body)


# ---- figures ------------------------------------------------------------------------------------

def figures(name, t, seed, elapsed, harmed, jobs, other):
    build = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                           text=True).stdout.strip()
    escapes = t.total("escape") + len(harmed)
    f = {
        "name": "campaign", "ok": not (escapes or t.lost or t.unrecovered), "build": build,
        "injected": t.total("injected"), "activated": t.total("activated"),
        "code_injected": t.total("injected", CODE), "code_activated": t.total("activated", CODE),
        "deaths": t.deaths, "plain_kills": t.kills, "recovered": t.deaths - t.unrecovered,
        "escapes": escapes, "acked_writes_lost": t.lost,
        "silent_wrong": t.total("silent"), "silent_wrong_code": t.total("silent", CODE),
        "silent_blocks": sum(sum(w.values()) for w in t.wrong.values()), "client_errors": t.errors,
        "blocks_verified": t.verified, "requests": t.requests, "other_blocks_verified": other,
        "seed": seed, "jobs": jobs, "elapsed_s": round(elapsed),
        "faults_per_s": round(t.total("injected") / elapsed, 1),
    }
    for o in OUTCOMES[:-2]:
        f["outcome_" + o.replace("-", "_")] = t.total(o)
    for p in (50, 99):
        if t.recoveries:
            f[f"recovery_p{p}_us"] = percentile(t.recoveries, p)
    return f


def write(name, lines, seed, elapsed, harmed, jobs, other, replay):
    t = Tally()
    with open(lines) as source:
        for line in source:
            if replay:
                print(line, end="")
            t.add(json.loads(line))
    f = figures(name, t, seed, elapsed, harmed, jobs, other)
    if not t.total("injected"):
        f["ok"] = False
    if not replay:
        (RESULTS / f"{name}.json").write_text(json.dumps(f) + "\n")
        (RESULTS / f"campaign/{name}.txt").write_text(table(t))
        print(table(t))
        picture_outcomes(t, f"{name}-outcomes.svg")
        if t.recoveries:
            picture_recovery(t, f"{name}-recovery.svg")
    for what in harmed:
        print("harmed:", what)
    for bad in t.worst[:10]:
        print("look at:", json.dumps(bad))
    print(json.dumps(f))
    return 0 if f["ok"] else 1
