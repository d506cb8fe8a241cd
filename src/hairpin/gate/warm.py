"""Compile the kernels of the hot loop by serving a client of our own with each kind of request."""

from __future__ import annotations

import socket

import numpy as np

from hairpin import libc
from hairpin.gate.http import Replies
from hairpin.gate.sweeper import ReplyTable, Sweeper
from hairpin.ticket import HEX_DIGITS, U, write_claims


def warm() -> None:
    """Use every kernel of the hot loop once, where it can run."""
    write_claims(
        np.zeros(1, np.uint32),
        np.zeros(1, np.uint64),
        *(HEX_DIGITS, U(0), U(0), np.zeros((1, 16), np.uint8)),
    )
    if not libc.AVAILABLE:
        return
    table = ReplyTable(Replies(b"Thu, 01 Jan 1970 00:00:00 GMT"))
    sweeper = Sweeper(socket.create_server(("127.0.0.1", 0)), 1024, 1)
    sweeper.listen(True)
    with socket.create_connection(sweeper.address) as client:
        heads = (b"POST /a/%b" % (b"a" * 32), b"GET /now", b"POST /t/0FR", b"OPTIONS /")
        client.sendall(b"".join(head + b" HTTP/1.1\r\nHost: a\r\n\r\n" for head in heads))
        while not sweeper.found:
            sweeper.sweep(1, 1, 0, table.etag)
        sweeper.joined[:1] = 404
        sweeper.reply(table, np.full(1, 404, np.int64))
        sweeper.close_idle(0, 0)
        for fd in sweeper.give(1):
            sweeper.adopt(socket.socket(fileno=fd), 0)
    sweeper.end()
