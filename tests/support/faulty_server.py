"""Shows a `FaultyFiles` to the kernel as a mounted file system, by the FUSE protocol itself.

    python faulty_server.py MOUNT_POINT SEED

Speaks protocol 7.31 on /dev/fuse (linux/fuse.h), so that no library and no daemon is needed, only
the right to mount. Orders are lines of JSON on stdin, each answered by a line on stdout; at the end
of stdin it unmounts and ends. Nothing is cached by the kernel: all reads and writes come here.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from faulty_files import BLOCK_BYTES, ROOT, SIZE_BYTES, Faults, FaultyFiles, Inode

REQUEST = struct.Struct("<IIQQIIII")
"""Length, operation, its number, inode, user, group, process, padding."""
REPLY = struct.Struct("<IiQ")
"""Length, -errno, the request's number."""
ATTRIBUTES = struct.Struct("<6Q10I")
WRITE_BYTES_MAX = 128 << 10
CLOSING = (18, 25, 29)
"""Operations: release, flush, release of a directory."""
FORGETTING = (2, 36, 38, 42)
"""Forget, interrupt, destroy, forget many: the kernel waits for no reply."""
SLOW = (16, 20, 30)
"""Write, sync, sync of a directory: what `Faults.delay_ms` makes longer."""
DIRECT_IO = 1
"""Past the page cache."""
SIZE_GIVEN, MODE_GIVEN = 8, 1


class Server:
    """Answers requests of the kernel, one after the other, as a disk does."""

    def __init__(self, files: FaultyFiles, device: int) -> None:
        self._files = files
        self._device = device
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._awake.set()
        self._operations: dict[int, Callable[[Inode, bytes], bytes]] = {
            1: self._lookup,
            3: lambda inode, _: self._attributes(inode),
            4: self._set_attributes,
            8: lambda inode, body: self._make(inode, body, 16),
            9: lambda inode, body: self._make(inode, body, 8, stat.S_IFDIR),
            10: lambda inode, body: self._remove(inode, body),
            11: lambda inode, body: self._remove(inode, body),
            12: lambda inode, body: self._rename(inode, body, 8),
            13: self._link,
            14: lambda *_: _opened(),
            15: self._read,
            16: self._write,
            17: lambda *_: self._space(),
            20: self._sync,
            26: lambda *_: _protocol(),
            27: lambda *_: _opened(),
            28: self._list,
            30: self._sync_names,
            35: lambda inode, body: self._make(inode, body, 16, stat.S_IFREG) + _opened(),
            45: lambda inode, body: self._rename(inode, body, 16),
        }

    def run(self) -> None:
        """Until the file system is unmounted."""
        while True:
            try:
                request = os.read(self._device, WRITE_BYTES_MAX + 8_192)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # its asker was killed meanwhile
                    continue
                return
            if not request:
                return
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        _, operation, number, node, *_ = REQUEST.unpack_from(request)
        if operation in FORGETTING:
            return
        self._awake.wait()
        if operation in SLOW:
            time.sleep(self._files.faults.delay_ms / 1_000)
        error, reply = 0, b""
        with self._lock:
            try:
                reply = self._do(operation, node, request[REQUEST.size :])
            except OSError as failure:
                error = failure.errno or errno.EIO
        try:
            os.write(self._device, REPLY.pack(REPLY.size + len(reply), -error, number) + reply)
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # interrupted, and forgotten
                raise

    def _do(self, operation: int, node: int, body: bytes) -> bytes:
        if operation not in self._operations:
            raise OSError(errno.ENOSYS, "not an operation of this file system")
        if operation in CLOSING:  # possible without power, and after it
            return b""
        if not self._files.powered:
            raise OSError(errno.EIO, "the power is off")
        return self._operations[operation](self._inode(node), body)

    def _inode(self, node: int) -> Inode:
        """What was opened before a power cut is nobody's any more."""
        boots, number = divmod(node, 1 << 32)
        if boots != self._files.boots and node != ROOT:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return self._files.inode(number or ROOT)

    def _node(self, inode: Inode) -> int:
        return ROOT if inode.number == ROOT else inode.number | self._files.boots << 32

    # --- orders -----------------------------------------------------------------------------------

    def obey(self, line: str) -> dict[str, object]:
        """One order from the test, from any thread."""
        order = json.loads(line)
        do = order.pop("do")
        if do == "faults":
            # Whoever hangs is let go first: it holds no lock, and meets the new faults.
            self._files.faults = Faults(**order)
            (self._awake.clear if self._files.faults.hung else self._awake.set)()
        elif do == "cut":
            with self._lock:
                self._files.cut(**order)
        elif do == "restore":
            with self._lock:
                self._files.restore()
        return {
            "fired": self._files.fired,
            "powered": self._files.powered,
            "faults": dataclasses.asdict(self._files.faults),
        }

    # --- operations -------------------------------------------------------------------------------

    def _entry(self, inode: Inode) -> bytes:
        return struct.pack("<4Q2I", self._node(inode), 0, 0, 0, 0, 0) + self._stat(inode)

    def _attributes(self, inode: Inode) -> bytes:
        return struct.pack("<Q2I", 0, 0, 0) + self._stat(inode)

    def _stat(self, inode: Inode) -> bytes:
        size = len(inode.content)
        seconds, rest = divmod(inode.changed_ns, 1_000_000_000)
        return ATTRIBUTES.pack(
            *(inode.number, size, -(-size // 512), seconds, seconds, seconds),
            *(rest, rest, rest, inode.mode, inode.links, os.geteuid(), os.getegid()),
            *(0, BLOCK_BYTES, 0),
        )

    def _lookup(self, parent: Inode, body: bytes) -> bytes:
        return self._entry(self._files.lookup(parent, _names(body)[0]))

    def _set_attributes(self, inode: Inode, body: bytes) -> bytes:
        given, _, _, size = struct.unpack_from("<2I2Q", body)
        if given & SIZE_GIVEN:
            self._files.truncate(inode, size)
        if given & MODE_GIVEN:
            mode = struct.unpack_from("<I", body, 68)[0]
            inode.mode = stat.S_IFMT(inode.mode) | stat.S_IMODE(mode)
        return self._attributes(inode)

    def _make(self, parent: Inode, body: bytes, head_bytes: int, kind: int = 0) -> bytes:
        # The mode stands first where a directory or a node is made, after the flags otherwise.
        at = 4 if kind == stat.S_IFREG else 0
        mode = struct.unpack_from("<I", body, at)[0]
        name = _names(body[head_bytes:])[0]
        return self._entry(self._files.make(parent, name, mode | kind))

    def _remove(self, parent: Inode, body: bytes) -> bytes:
        self._files.remove(parent, _names(body)[0])
        return b""

    def _rename(self, parent: Inode, body: bytes, head_bytes: int) -> bytes:
        new_parent = self._inode(struct.unpack_from("<Q", body)[0])
        name, new = _names(body[head_bytes:])[:2]
        self._files.rename(parent, name, new_parent, new)
        return b""

    def _link(self, parent: Inode, body: bytes) -> bytes:
        inode = self._inode(struct.unpack_from("<Q", body)[0])
        self._files.link(inode, parent, _names(body[8:])[0])
        return self._entry(inode)

    def _read(self, inode: Inode, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return self._files.read(inode, offset, size)

    def _write(self, inode: Inode, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<2I", self._files.write(inode, offset, body[40 : 40 + size]), 0)

    def _sync(self, inode: Inode, _: bytes) -> bytes:
        self._files.sync(inode)
        return b""

    def _sync_names(self, inode: Inode, _: bytes) -> bytes:
        self._files.sync_names(inode)
        return b""

    def _list(self, inode: Inode, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        listed = b""
        for place, (name, number) in enumerate(sorted(inode.names.items()), start=1):
            text = name.encode()
            kind = stat.S_IFMT(self._files.inode(number).mode) >> 12
            entry = struct.pack("<QQII", number, place, len(text), kind) + text
            entry += bytes(-len(entry) % 8)
            if place > offset:
                if len(listed) + len(entry) > size:
                    break
                listed += entry
        return listed

    def _space(self) -> bytes:
        blocks = SIZE_BYTES // BLOCK_BYTES
        free = blocks - self._files.used_bytes() // BLOCK_BYTES
        return struct.pack("<5Q4I24x", blocks, free, free, 1 << 20, 1 << 19, BLOCK_BYTES, 255, 0, 0)


def _names(body: bytes) -> list[str]:
    return [name.decode() for name in body.split(b"\0")]


def _opened() -> bytes:
    return struct.pack("<Q2I", 0, DIRECT_IO, 0)


def _protocol() -> bytes:
    big_writes = 1 << 5
    return struct.pack("<4I2H2I2H8I", 7, 31, 0, big_writes, 16, 12, WRITE_BYTES_MAX, 1, *[0] * 10)


def mount(point: str) -> int:
    """Returns the open device."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}"
    subprocess.run(
        ["mount", "-i", "-t", "fuse", "-o", f"{options},allow_other", "hairpin-faulty", point],
        check=True,
        pass_fds=[device],
    )
    return device


def main() -> None:
    point, seed = sys.argv[1], int(sys.argv[2])
    server = Server(FaultyFiles(seed), mount(point))
    threading.Thread(target=server.run, daemon=True).start()
    try:
        print(json.dumps(server.obey('{"do": "tell"}')), flush=True)
        for line in sys.stdin:
            print(json.dumps(server.obey(line)), flush=True)
    finally:
        subprocess.run(["umount", "--lazy", point], check=False)
        os._exit(0)  # whoever still waits for an answer gets an error now


if __name__ == "__main__":
    main()
