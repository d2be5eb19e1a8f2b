#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sites.py IMAGE - where a driver's machine code can be broken, and how.

Reads objdump's listing of IMAGE and decodes each instruction as far as its operands' places
go (Intel SDM volume 2, chapter 2: prefixes, opcode, ModRM, SIB, displacement). Prints

  insn OFFSET LENGTH FUNCTION TEXT     an instruction; TEXT has no spaces
  mut  KIND OFFSET BYTES               what may be put in its place, in hexadecimal
  data NAME OFFSET BYTES               the driver's own variables

Bit flips need no table: any bit of any instruction will do."""
import re, subprocess, sys

PREFIXES = {0x66, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65}
ARGUMENTS = {"di", "si", "dx", "cx", "r8", "r9", "ax"}


def register(name):
    """One name for all widths: %edi -> di, %r8d -> r8."""
    name = name.lstrip("%")
    if re.fullmatch(r"r\d+[dwb]?", name):
        return name.rstrip("dwb")
    return name.lstrip("re").removesuffix("l") if name not in ("bl", "cl", "dl",
                                                               "al") else name[0] + "x"


class Insn:
    def __init__(self, offset, code, function, text):
        self.offset, self.code, self.function, self.text = offset, code, function, text
        self.words = text.split(None, 1)
        self.name = self.words[0]
        self.operands = self.words[1].split("#")[0].split("<")[0].strip() if len(
            self.words) > 1 else ""
        self.decode()

    def decode(self):
        """Finds opcode, ModRM and displacement. modrm = None: there is none."""
        i, c = 0, self.code
        while c[i] in PREFIXES:
            i += 1
        if c[i] & 0xf0 == 0x40:
            i += 1
        self.two = c[i] == 0x0f
        i += self.two
        self.at, self.opcode = i, c[i]
        i += 1
        self.modrm = i if self.has_modrm() and i < len(c) else None
        self.sib = self.disp = None
        self.disp_bytes = 0
        if self.modrm is None:
            return
        mod, rm = c[i] >> 6, c[i] & 7
        i += 1
        if mod == 3:
            return
        if rm == 4:
            self.sib = i
            i += 1
        self.disp_bytes = {0: 4 if rm == 5 or self.sib and c[self.sib] & 7 == 5 else 0, 1: 1,
                           2: 4}[mod]
        self.disp = i if self.disp_bytes else None

    def has_modrm(self):
        o = self.opcode
        if self.two:
            return not (o in (0x05, 0x0b, 0x31, 0xa2) or 0x80 <= o <= 0x8f or 0xc8 <= o <= 0xcf)
        return (o < 0x40 and o & 7 < 4 or o in (0x63, 0x69, 0x6b, 0xc0, 0xc1, 0xc6, 0xc7, 0xf6,
                                                0xf7, 0xfe, 0xff)
                or 0x80 <= o <= 0x8f or 0xd0 <= o <= 0xd3)

    @property
    def memory(self):
        return self.modrm is not None and self.code[self.modrm] >> 6 != 3

    def with_byte(self, at, value):
        code = bytearray(self.code)
        code[at] = value & 0xff
        return bytes(code)

    def with_field(self, at, shift):
        """All other values of a 3-bit register field."""
        old = self.code[at] >> shift & 7
        return [self.with_byte(at, self.code[at] & ~(7 << shift) | new << shift) for new in range(8)
                if new != old]

    def roles(self):
        """(source, destination): each the fields, as (byte, shift), that name such a register."""
        o = self.opcode
        if self.modrm is None:
            low = not self.two and (0x50 <= o <= 0x5f or 0xb0 <= o <= 0xbf)
            field = [(self.at, 0)]
            return (field, []) if low and o < 0x58 else ([], field if low else [])
        reg = [(self.modrm, 3)]
        rm = [] if self.memory else [(self.modrm, 0)]
        if self.two:
            if 0x90 <= o <= 0x9f:
                return [], rm
            if o in (0x11, 0x29, 0x7f, 0x7e, 0xd6):
                return reg, rm
            return rm, reg
        if o in (0x88, 0x89) or o < 0x38 and not o & 2:
            return reg, rm
        if o in (0x84, 0x85) or 0x38 <= o <= 0x3b:
            return reg + rm, []
        if o in (0x8a, 0x8b, 0x8d, 0x63, 0x69, 0x6b) or o < 0x38:
            return rm, reg
        if o in (0x86, 0x87):
            return reg, reg + rm
        if o in (0x80, 0x81, 0x83) and self.code[self.modrm] >> 3 & 7 == 7 or o in (0xf6, 0xf7):
            return rm, []
        return [], rm

    def jump(self):
        """Its kind (None: not a direct jump inside the function) and the target."""
        if not re.fullmatch(r"j[a-z]+", self.name) or "*" in self.operands:
            return None, 0
        return ("jmp" if self.name == "jmp" else "jcc"), int(self.operands.split(",")[0], 16)


def jump_mutations(insn):
    kind, target = insn.jump()
    c, n = insn.code, len(insn.code)
    if kind is None:
        return
    what = "loop" if target <= insn.offset else "branch"
    yield what, b"\x90" * n  # never taken
    if kind == "jcc":
        yield what, insn.with_byte(insn.at, c[insn.at] ^ 1)
        always = insn.with_byte(insn.at,
                                0xeb) if n == 2 else b"\x90\xe9" + c[2:] if n == 6 else None
        if always:
            yield what, always


def mutations(insn, calls_soon):
    yield "nop", b"\x90" * len(insn.code)
    source, destination = insn.roles()
    for at, shift in source:
        for code in insn.with_field(at, shift):
            yield "source", code
    for at, shift in destination:
        for code in insn.with_field(at, shift):
            yield "destination", code
    if insn.memory:
        base = insn.sib if insn.sib is not None else insn.modrm
        if not (insn.code[insn.modrm] >> 6 == 0 and insn.code[base] & 7 == 5):
            for code in insn.with_field(base, 0):
                # Another length of the same instruction is a bit flip, no other pointer.
                if insn.sib is not None or code[base] & 7 not in (4, 5):
                    yield "pointer", code
        if insn.disp is not None:
            for bit in range(8 if insn.disp_bytes == 1 else 20):
                at = insn.disp + bit // 8
                yield "pointer", insn.with_byte(at, insn.code[at] ^ 1 << bit % 8)
    yield from jump_mutations(insn)
    if insn.name.startswith("cmp") and insn.operands.startswith("$"):
        last = len(insn.code) - (4 if insn.opcode in (0x81, 0x3d) and 0x66 not in insn.code[:2]
                                 else 1)
        for step in (1, -1):
            yield "loop", insn.with_byte(last, insn.code[last] + step)
    if calls_soon and register(
        insn.operands.split(",")[-1]) in ARGUMENTS and not insn.name.startswith(("cmp", "test")):
        yield "parameter", b"\x90" * len(insn.code)
        for at, shift in destination:
            for code in insn.with_field(at, shift):
                yield "parameter", code


def listing(image):
    out = subprocess.run(["objdump", "-d", "-w", "-j", ".text", image], capture_output=True,
                         text=True, check=True).stdout
    function = None
    for line in out.splitlines():
        head = re.fullmatch(r"[0-9a-f]+ <(.+)>:", line)
        if head:
            function = head[1]
            continue
        cells = line.split("\t")
        if len(cells) == 3 and function:
            yield Insn(int(cells[0].strip(" :"), 16), bytes.fromhex(cells[1]), function,
                       cells[2].strip())


def main():
    image = sys.argv[1]
    code = list(listing(image))
    for i, insn in enumerate(code):
        # Between functions there is nothing but padding.
        if insn.name in ("int3", "ud2", "data16", "cs") or insn.name.startswith("nop"):
            continue
        ahead = [n for n in code[i + 1:i + 9] if n.function == insn.function]
        soon = any(n.name in ("call", "syscall") for n in ahead)
        print("insn", insn.offset, len(insn.code), insn.function, re.sub(r"\s+", "_", insn.text))
        for kind, new in mutations(insn, soon):
            if new != insn.code:
                print("mut", kind, insn.offset, new.hex())
    symbols = subprocess.run(["nm", "-S", image], capture_output=True, text=True, check=True).stdout
    for line in symbols.splitlines():
        cells = line.split()
        if len(cells) == 4 and cells[2] in "bBdD":
            print("data", cells[3], int(cells[0], 16), int(cells[1], 16))


main()
