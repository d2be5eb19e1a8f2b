#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""measure.py [--list] [--tighten] [TREE] - figures of the source's shape, each against its limit.

Prints every figure beside its limit and its goal, writes build/results/quality.json, and ends
with 1 if a figure is above its limit. The limits lie in `limits` beside this script. --tighten
lowers them to the present figures; nothing raises them. --list names the offenders.

What the figures count:
  files             sources that the project wrote: C, scripts, make files, lists, pages
  function_lines_*  lines of a C function, from its name to its closing brace
  functions_long_1pt  functions of 30 lines or more, a thousand
  file_lines_max    lines of the longest file; files_long: files of more than 500
  lines_wide        lines of more than 100 columns (a tab is 8); a page's table row is one line,
                    therefore pages are left out
  include_cycles    circles of includes among modules (x.c and x.h are one) and among rooms
                    (directories); cycle_files: modules in the largest circle
  call_circles      circles of includes and calls among modules of the product (see arrows.py);
                    largest_circle_files: modules in the largest
  arrows_back       arrows between rooms that must go before no room includes or calls one that
                    stands on it
  names_twice       names of functions of the product that are in several files, statics too.
                    main() is not counted: each program has one. Tests are not: each test is a
                    program by itself, and has its own setup().
  banners_wrong     `Room:` lines that name another directory than the file lies in;
                    banners_missing: C files of the product without such a line
  exits_literal     exit codes of the product written as a number other than 0
  clock_files       files of the product that ask the kernel for the time themselves"""
import collections, json, os, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
from arrows import arrows, circles

PRODUCT = ("sandbox/", "drivers/", "net/", "policy/")
FOREIGN = re.compile(r"^LICENSE$|/corpus/|/patches/|\.(svg|json|tsv|csv|png|in)$")
LINES, COLUMNS, LONG = 500, 100, 30


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


class Tree:
    """The sources: what git tracks, or every file where there is no git."""

    def __init__(self, top):
        self.top = top
        if os.path.exists(os.path.join(top, ".git")):
            names = run("git", "ls-files", cwd=top).split("\n")
        else:
            names = [os.path.relpath(os.path.join(d, f), top) for d, _, fs in os.walk(top)
                     for f in fs]
            names = [n for n in names if not n.startswith("build/")]
        self.files = sorted(n for n in names if n and not FOREIGN.search(n) and self.is_file(n))
        self.c = [n for n in self.files if n.endswith((".c", ".h"))]
        self.text = {n: self.read(n) for n in self.files}

    def is_file(self, name):
        path = os.path.join(self.top, name)
        return os.path.isfile(path) and not os.path.islink(path)

    def read(self, name):
        with open(os.path.join(self.top, name), errors="replace") as f:
            return f.read().split("\n")

    def product(self):
        return [n for n in self.c if n.startswith(PRODUCT)]


def functions(tree):
    """(file, name, line, lines) of every function that has a body."""
    out = subprocess.run(["ctags", "--options=NONE", "--languages=C", "--langmap=C:.c.h",
                          "--kinds-C=f",
                          "--fields=+ne", "--output-format=json", "-L", "-", "-f", "-"],
                         cwd=tree.top,
                         input="\n".join(tree.c), check=True, capture_output=True, text=True).stdout
    tags = [json.loads(line) for line in out.splitlines()]
    return [(t["path"], t["name"], t["line"], t["end"] - t["line"] + 1) for t in tags if "end" in t]


# ---- lengths ----------------------------------------------------------------
def lengths(tree, found):
    """Figures of lengths, and who is over."""
    sizes = sorted(f[3] for f in found) or [0]
    n = len(sizes)
    files = {name: len(lines) - (lines[-1] == "") for name, lines in tree.text.items()}
    long_functions = [f for f in found if f[3] >= LONG]
    long_files = [f"{name}: {n} lines" for name, n in files.items() if n > LINES]
    wide = [f"{name}:{i}: {len(line.expandtabs(8))} columns" for name, lines in tree.text.items()
            if not name.endswith(".md") for i, line in enumerate(lines, 1)
            if len(line.expandtabs(8)) > COLUMNS]
    figures = {"files": len(files), "functions": n, "function_lines_p50": sizes[n // 2],
               "function_lines_p90": sizes[min(n - 1, n * 9 // 10)],
               "function_lines_max": sizes[-1],
               "functions_long_1pt": round(1000 * len(long_functions) / n),
               "file_lines_max": max(files.values()), "files_long": len(long_files),
               "lines_wide": len(wide)}
    top = sorted(long_functions, key=lambda f: -f[3])[:20]
    return figures, {"function_lines_max": [f"{p}:{line}: {name}, {k} lines"
                                            for p, name, line, k in top],
                     "files_long": sorted(long_files), "lines_wide": wide}


# ---- includes ---------------------------------------------------------------
def includes(tree):
    """Which file includes which: beside it, from the top, or the nearest of that name."""
    by_name = collections.defaultdict(list)
    for name in tree.c:
        by_name[os.path.basename(name)].append(name)
    known = set(tree.c)

    def find(user, what):
        for path in (os.path.normpath(os.path.join(os.path.dirname(user), what)), what):
            if path in known:
                return path
        fits = [n for n in by_name[os.path.basename(what)] if n.endswith("/" + what)]
        return max(fits, key=lambda n: len(os.path.commonprefix([n, user])), default=None)

    return {(name, target) for name in tree.c for line in tree.text[name]
            if (m := re.match(r'\s*#\s*include\s*"([^"]+)"', line)) and
            (target := find(name, m[1]))}


def cycles(tree):
    edges = includes(tree)
    fold = lambda key: {(key(a), key(b)) for a, b in edges if key(a) != key(b)}
    modules, rooms = circles(fold(lambda n: os.path.splitext(n)[0])), circles(fold(os.path.dirname))
    figures = {"include_cycles": len(modules) + len(rooms),
               "cycle_files": max(map(len, modules), default=0)}
    return figures, {"include_cycles": [" ".join(c) for c in modules + rooms]}


def called(tree):
    return arrows(tree.top, tree.product(), tree.text, includes(tree))


# ---- names, banners, habits -------------------------------------------------
def names(tree, found):
    where = collections.defaultdict(set)
    for path, name, _, _ in found:
        if path.startswith(PRODUCT) and name != "main":
            where[name].add(path)
    twice = {name: paths for name, paths in where.items() if len(paths) > 1}
    order = sorted(twice, key=lambda n: (-len(twice[n]), n))
    places = [f"{n}: {' '.join(sorted(twice[n]))}" for n in order]
    return {"names_twice": len(twice)}, {"names_twice": places}


def room_of(lines):
    """The directories that a file's banner names, None without a banner."""
    for line in lines[:40]:
        if m := re.match(r"(?:/| )\*+ (?:.*\. )?Room:\s+(.*)", line):
            return re.findall(r"[a-z][a-z0-9_]*(?:/[a-z0-9_]+)*", m[1])[:1]
    return None


def banners(tree):
    rooms = {name: room_of(tree.text[name]) for name in tree.c}
    wrong = [f"{n}: says {' '.join(r) or 'nothing'}" for n, r in rooms.items()
             if r is not None and r != [os.path.dirname(n)]]
    missing = [n for n in tree.product() if rooms[n] is None]
    return ({"banners_wrong": len(wrong), "banners_missing": len(missing)},
            {"banners_wrong": wrong, "banners_missing": missing})


def matches(tree, pattern):
    return [f"{n}:{i}: {line.strip()}" for n in tree.product()
            for i, line in enumerate(tree.text[n], 1)
            if re.search(pattern, line)]


def habits(tree):
    exits = matches(tree, r"\b(?:_?exit|rf_exit|rf_die)\((?:[^();]*[?:] *)?[1-9][0-9]*\b")
    clocks = sorted({m.split(":")[0] for m in matches(tree, r"\bclock_gettime\(")})
    return ({"exits_literal": len(exits), "clock_files": len(clocks)},
            {"exits_literal": exits, "clock_files": clocks})


# ---- limits -----------------------------------------------------------------
def limits_read(path):
    """name -> [limit, goal]"""
    with open(path) as f:
        rows = [line.split("#")[0].split() for line in f]
    return {r[0]: [int(r[1]), int(r[2])] for r in rows if r}


def limits_tighten(path, figures):
    with open(path) as f:
        lines = f.readlines()
    for i, line in enumerate(lines):
        if (m := re.match(r"(\w+)(\s+)(\d+)(\s+)(\d+)(.*)", line, re.S)) and m[1] in figures:
            limit = max(min(int(m[3]), figures[m[1]]), int(m[5]))
            lines[i] = f"{m[1]}{m[2]}{limit:>{len(m[3])}}{m[4]}{m[5]}{m[6]}"
    with open(path, "w") as f:
        f.writelines(lines)


def measure(top):
    """All figures, and the offenders by figure."""
    tree = Tree(top)
    found = functions(tree)
    figures, offenders = {}, {}
    for f, o in (lengths(tree, found), cycles(tree), called(tree), names(tree, found),
                 banners(tree), habits(tree)):
        figures.update(f)
        offenders.update(o)
    return figures, offenders


def report(figures, offenders, limits, listed):
    """Prints; the names of what is above its limit."""
    above = [n for n in limits if figures[n] > limits[n][0]]
    for name, value in figures.items():
        limit, goal = limits.get(name, ["", ""])
        good = name not in limits or value <= goal
        word = "ABOVE ITS LIMIT" if name in above else "" if good else "above its goal"
        print(f"{name:<20}{value:>7}  limit {limit:>5}  goal {goal:>5}  {word}".rstrip()
              if name in limits else f"{name:<20}{value:>7}")
        if word and listed:
            print("".join(f"    {o}\n" for o in offenders.get(name, [])), end="")
    return above


def write(top, figures, ok):
    build = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=top, capture_output=True,
                           text=True)
    os.makedirs(os.path.join(top, "build/results"), exist_ok=True)
    with open(os.path.join(top, "build/results/quality.json"), "w") as f:
        build = build.stdout.strip() or "unversioned"
        f.write(json.dumps({"name": "quality", "ok": ok, "build": build, **figures},
                           separators=(",", ":")) + "\n")


def main(arguments):
    flags = {a for a in arguments if a.startswith("--")}
    rest = [a for a in arguments if not a.startswith("--")]
    if flags - {"--list", "--tighten"} or len(rest) > 1:
        sys.exit(__doc__.split("\n")[0])
    top = rest[0] if rest else os.path.dirname(os.path.dirname(HERE))
    path = os.path.join(top, "tests/quality/limits")
    figures, offenders = measure(top)
    if "--tighten" in flags:
        limits_tighten(path, figures)
    above = report(figures, offenders, limits_read(path), "--list" in flags)
    write(top, figures, not above)
    if above:
        print(f"quality: above the limit: {', '.join(above)}" +
              ("" if "--list" in flags else " (V=1 names the places)"))
    sys.exit(bool(above))


if __name__ == "__main__":
    main(sys.argv[1:])
