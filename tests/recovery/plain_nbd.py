# SPDX-License-Identifier: MIT
"""plain_nbd.py - an NBD client of one request at a time, which sees its errors. To be imported in
the project's top directory."""
import socket, struct
from serving import Broken

READ, WRITE, FLUSH, BLOCK = 0, 1, 3, 4096


class Nbd:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)
        flags = struct.unpack(">QQH", self.exactly(18))[2]
        self.s.sendall(struct.pack(">I", flags & 3) + struct.pack(">QII", 0x49484156454F5054, 1, 0))
        self.exactly(10 if flags & 2 else 134)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise Broken("the connection was closed")
            data += more
        return data

    def ask(self, kind, block=0, data=b""):
        """Its answer is not waited for."""
        size = len(data) if kind == WRITE else 0 if kind == FLUSH else BLOCK
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 1, block * BLOCK, size) + data)

    def error(self):
        """Of what was asked."""
        return struct.unpack(">IIQ", self.exactly(16))[1]

    def read(self, block):
        """Its error."""
        return self.contents(block)[0]

    def contents(self, block):
        self.ask(READ, block)
        error = self.error()
        return error, b"" if error else self.exactly(BLOCK)

    def write(self, block, data):
        self.ask(WRITE, block, data)
        return self.error()
