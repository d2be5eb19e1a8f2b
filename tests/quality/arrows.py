# SPDX-License-Identifier: MIT
"""Who calls whom: the arrows among the product's files and rooms, and the circles they close.

An arrow runs from A to B where A includes B, or where A names a function that B alone defines
for others, or a table that B alone defines and a header declares `extern`. Source is read as
text, without comments and strings:
  - a static of a .c file is nobody else's, and hides another file's name in its own file;
  - a name behind `.`, `->`, `struct`, `union` or `enum` is a member or a type;
  - a header names what the bodies of its own functions name: what it declares is not a call.
x.c and x.h are one module; a directory is one room."""
import collections, json, os, re, subprocess

NOISE = re.compile(r"/\*.*?\*/|//[^\n]*|^[ \t]*#[ \t]*include[^\n]*"
                   r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S | re.M)
NAME = re.compile(r"(?<![\w.])(?<!->)(?:\b(struct|union|enum)\s+)?([A-Za-z_]\w*)")


def module(name):
    return os.path.splitext(name)[0]


def circles(edges):
    """The strongly connected sets of more than one node (Tarjan, without recursion)."""
    graph = collections.defaultdict(set)
    for a, b in edges:
        graph[a].add(b)
    index, low, stack, out = {}, {}, [], []
    for root in sorted(graph):
        work = [] if root in index else [(root, iter(sorted(graph[root])))]
        while work:
            node, rest = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
            for target in rest:
                if target not in index:
                    work.append((target, iter(sorted(graph.get(target, ())))))
                    break
                if target in stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    circle = stack[stack.index(node):]
                    del stack[stack.index(node):]
                    if len(circle) > 1:
                        out.append(sorted(circle))
    return out


def tags(top, files):
    """Functions and objects at file scope, as ctags finds them."""
    command = ["ctags", "--options=NONE", "--languages=C", "--langmap=C:.c.h", "--kinds-C=fvx",
               "--fields=+nefk", "--output-format=json", "-L", "-", "-f", "-"]
    out = subprocess.run(command, cwd=top, input="\n".join(files), check=True,
                         capture_output=True, text=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def defined(found):
    """name -> the one file that defines it for others; file -> the names it keeps to itself."""
    declared = {t["name"] for t in found if t["kind"] == "externvar"}
    where, own = collections.defaultdict(set), collections.defaultdict(set)
    for t in found:
        if t["kind"] == "externvar" or t["name"] == "main":
            continue
        if t.get("file") and t["path"].endswith(".c"):
            own[t["path"]].add(t["name"])
        elif t["kind"] == "function" or t["name"] in declared:
            where[t["name"]].add(t["path"])
    alone = {name: min(paths) for name, paths in where.items() if len(set(map(module, paths))) == 1}
    return alone, own


def bodies(name, lines, found):
    """The text of a file that can hold a call: all of a .c file, the functions of a header."""
    if name.endswith(".c"):
        return "\n".join(lines)
    return "\n".join("\n".join(lines[t["line"] - 1:t["end"]]) for t in found
                     if t["path"] == name and t["kind"] == "function" and "end" in t)


def calls(top, files, text):
    """(module, module) -> the names that the first takes from the second."""
    found = tags(top, files)
    where, own = defined(found)
    taken = collections.defaultdict(set)
    for name in files:
        words = NAME.findall(NOISE.sub(" ", bodies(name, text[name], found)))
        for word in {w for kind, w in words if not kind} - own[name]:
            if word in where and module(where[word]) != module(name):
                taken[module(name), module(where[word])].add(word)
    return taken


def describe(circle, arrows):
    """A circle, and beneath it what ties each two of its files."""
    rows = [f"  {a} -> {b}: {' '.join(sorted(arrows[a, b]))}"
            for a in circle for b in circle if (a, b) in arrows]
    return "\n    ".join([f"{len(circle)} in a circle: {' '.join(circle)}", *rows])


def back(rooms):
    """The arrows between rooms that run up: the fewest names first, until no circle is left."""
    rest, out = dict(rooms), []
    while tied := circles(rest):
        inside = [e for c in tied for e in rest if e[0] in c and e[1] in c]
        out.append(min(inside, key=lambda e: (rest[e], e)))
        del rest[out[-1]]
    return out


def arrows(top, files, text, includes):
    """Figures and offenders. `includes`: the pairs of files where the first includes the second."""
    taken = calls(top, files, text)
    for a, b in includes:
        if a in files and b in files and module(a) != module(b):
            taken[module(a), module(b)].add("#include")
    tied = circles(taken)
    rooms, why = collections.Counter(), collections.defaultdict(list)
    for (a, b), names in sorted(taken.items()):
        edge = os.path.dirname(a), os.path.dirname(b)
        if edge[0] != edge[1]:
            rooms[edge] += len(names)
            why[edge].append(f"  {a} -> {b}: {' '.join(sorted(names))}")
    up = back(rooms)
    listed = sorted((describe(c, taken) for c in tied), key=lambda c: -int(c.split()[0]))
    figures = {"call_circles": len(tied), "largest_circle_files": max(map(len, tied), default=0),
               "arrows_back": len(up)}
    named = ["\n    ".join([f"{a} -> {b}", *why[a, b]]) for a, b in up]
    return figures, {"call_circles": listed, "arrows_back": named}
