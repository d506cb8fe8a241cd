"""Calls of the C library that compiled loops make themselves: sockets, epoll, memory.

Symbols that are looked up by name leave machine code cacheable, which ctypes pointers do not.
Addresses are passed as integers: `address(array)` plus an offset in bytes. As in C, a call that
fails returns -1 and `errno()` tells why. For Linux on x86-64 and ARM: elsewhere `AVAILABLE` is
false, and kernels that make these calls must not be compiled.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import carray, types

from hairpin.kernel import compiled

AVAILABLE = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")

EPOLL_EVENT = np.dtype(
    {
        "names": ["events", "fd"],
        "formats": ["<u4", "<i4"],
        # The kernel packs this struct on x86-64, and aligns its 64-bit half everywhere else.
        "offsets": [0, 4 if platform.machine() == "x86_64" else 8],
        "itemsize": 12 if platform.machine() == "x86_64" else 16,
    }
)
"""`struct epoll_event`, with a descriptor as its data."""
EPOLLIN = 0x001
EPOLLOUT = 0x004
EPOLLRDHUP = 0x2000
EPOLLET = 0x8000_0000
"""Tell of new bytes once, not again and again until they are read."""
EPOLL_CTL_ADD = 1
EPOLL_CTL_DEL = 2
EPOLL_CTL_MOD = 3
SOCK_NEW = 0o2004000
"""SOCK_NONBLOCK | SOCK_CLOEXEC, for `accept4`."""
MSG_SEND = 0x4040
"""MSG_DONTWAIT | MSG_NOSIGNAL."""
MSG_RECV = 0x40
"""MSG_DONTWAIT."""
EINTR = 4
EAGAIN = 11
EINPROGRESS = 115
ECONNABORTED = 103


def _external(name: str, result: object, *arguments: object) -> Callable[..., int]:
    function: Any = types.ExternalFunction(name, result(*arguments))  # type: ignore[operator]
    return cast(Callable[..., int], function)


_int, _long, _size = types.int32, types.intp, types.uintp

recv = _external("recv", _long, _int, _long, _size, _int)
"""recv(fd, buffer, bytes, flags)"""
send = _external("send", _long, _int, _long, _size, _int)
"""send(fd, buffer, bytes, flags)"""
accept4 = _external("accept4", _int, _int, _long, _long, _int)
"""accept4(fd, sockaddr, sockaddr_bytes, flags)"""
socket = _external("socket", _int, _int, _int, _int)
"""socket(domain, type, protocol)"""
connect = _external("connect", _int, _int, _long, types.uint32)
"""connect(fd, sockaddr, bytes)"""
setsockopt = _external("setsockopt", _int, _int, _int, _int, _long, types.uint32)
"""setsockopt(fd, level, option, value, bytes)"""
clock_gettime = _external("clock_gettime", _int, _int, _long)
"""clock_gettime(clock, timespec)"""
sched_getcpu = _external("sched_getcpu", _int)
"""Which core this thread runs on."""
close = _external("close", _int, _int)
epoll_ctl = _external("epoll_ctl", _int, _int, _int, _int, _long)
"""epoll_ctl(epoll, operation, fd, event)"""
epoll_wait = _external("epoll_wait", _int, _int, _long, _int, _int)
"""epoll_wait(epoll, events, events_max, timeout_ms)"""
memcmp = _external("memcmp", _int, _long, _long, _size)
"""memcmp(a, b, bytes)"""
memmem = _external("memmem", _long, _long, _size, _long, _size)
"""memmem(haystack, bytes, needle, bytes): address or 0"""
memcpy = _external("memcpy", _long, _long, _long, _size)
"""memcpy(to, from, bytes)"""
_errno_location = _external("__errno_location", types.CPointer(types.int32))


@compiled
def errno() -> int:
    """Why the last call of this thread failed."""
    return int(carray(_errno_location(), 1)[0])


@compiled
def address(array: npt.NDArray[Any]) -> int:
    """Where a contiguous array lies in memory."""
    return int(np.int64(array.ctypes.data))
