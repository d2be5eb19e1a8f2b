#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""headers.py serve | headers.py BYTES SIZE SEED - TCP over IPv6 with so many bytes of destination
options (RFC 8200, 4.6) in each packet: sends SIZE bytes of a pattern, and the server says how
many of them were right. Prints that number."""
import random
import socket
import sys

PORT = 5555
DSTOPTS = 59


def serve():
    listener = socket.create_server(("fd09::2", PORT), family=socket.AF_INET6)
    while True:
        conn, _ = listener.accept()
        want, right = None, 0
        with conn.makefile("rb") as stream:
            size, seed = map(int, stream.readline().split())
            want = random.Random(seed).randbytes(size)
            got = stream.read(size)
            right = size if got == want else sum(a == b for a, b in zip(got, want))
        conn.sendall(b"%d\n" % right)
        conn.close()


def client(extra, size, seed):
    s = socket.socket(socket.AF_INET6)
    s.settimeout(120)
    if extra:
        # One option, unknown and to be skipped (0x1e), fills it.
        s.setsockopt(socket.IPPROTO_IPV6, DSTOPTS, bytes([0, extra // 8 - 1, 0x1E, extra - 4]) +
                     bytes(extra - 4))
    s.connect(("fd09::2", PORT))
    s.sendall(b"%d %d\n" % (size, seed) + random.Random(seed).randbytes(size))
    print(s.makefile().readline().strip())


if sys.argv[1] == "serve":
    serve()
else:
    client(*map(int, sys.argv[1:4]))
