"""A ZFS pool that mirrors two files, by zfs-fuse: a real self-healing file system to compare with.

There can be one zfs-fuse daemon on a machine. Nothing here touches a pool that it did not make.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from damage import MIB, Copy, Span
from living_node import wait_until

DISK_BYTES = 80 * MIB
LABELS_BYTES = 4 * MIB
"""Two labels and the boot block at the start; two more labels of 256 KiB at the end."""
POOL = "hairpinpair"
UNREMEMBERED = ("-o", "cachefile=none")
"""A daemon that starts later knows nothing of this pool."""
SOCKETS = ("/var/run/zfs", "/var/lock/zfs")


class ZfsPair:
    """`store` a record after the other, each synced; hurt `copies` between `close` and `open`."""

    def __init__(self, directory: Path) -> None:
        self._point = directory / "zfs"
        self._images = [directory / f"disk{number}.img" for number in (1, 2)]
        self._daemon: subprocess.Popen[bytes] | None = None
        self._records = self._point / "records"

    def start(self) -> None:
        self.wake()
        for image in self._images:
            with image.open("wb") as file:
                file.truncate(DISK_BYTES)
        made = [
            "create",
            *UNREMEMBERED,
            "-m",
            str(self._point),
            POOL,
            "mirror",
            *map(str, self._images),
        ]
        _run("zpool", *made)
        _run("zfs", "set", "compression=off", POOL)

    def wake(self) -> None:
        """The daemon runs on return."""
        for folder in SOCKETS:
            Path(folder).mkdir(parents=True, exist_ok=True)
        self._daemon = subprocess.Popen(
            ["zfs-fuse", "--no-daemon", "--no-kstat-mount"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(
            lambda: (
                subprocess.run(["zpool", "list"], capture_output=True, check=False).returncode == 0
            ),
            "zfs-fuse",
        )

    def store(self, records: list[bytes], stored: Callable[[int], None] = lambda _: None) -> None:
        """Each is synced before `stored` is called with its place."""
        fd = os.open(self._records, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            for place, record in enumerate(records):
                os.write(fd, record)
                os.fsync(fd)
                stored(place)
        finally:
            os.close(fd)

    def close(self) -> None:
        _run("zpool", "export", POOL)

    def open(self) -> None:
        _run("zpool", "import", *UNREMEMBERED, "-d", str(self._images[0].parent), POOL)

    def copies(self, labels: bool = False) -> list[Copy]:
        """Of all its bytes, or without the labels."""
        start, end = (0, DISK_BYTES) if labels else (LABELS_BYTES, DISK_BYTES - MIB)
        return [Copy([Span(image, start, end - start)]) for image in self._images]

    def read_all_files(self, number: int) -> dict[str, bytes]:
        """A whole disk, to be put back later."""
        return {self._images[number].name: self._images[number].read_bytes()}

    def put_back(self, number: int, older: dict[str, bytes]) -> None:
        """A whole disk as it was when it was read."""
        for name, content in older.items():
            self._images[number].with_name(name).write_bytes(content)

    def heal(self) -> str:
        """A scrub; a disk that is not known any more is replaced. What ZFS says about it."""
        _run("zpool", "clear", POOL)
        status = _run("zpool", "status", POOL)
        said = []
        if re.search(r"UNAVAIL|FAULTED", status):
            said.append("the copy is unavailable until replaced by hand; then resilvered")
            bad = next(
                line.split()[0]
                for line in status.splitlines()
                if re.search(r"UNAVAIL|FAULTED", line) and "mirror" not in line and POOL not in line
            )
            fresh = self._images[0].with_name("disk3.img")
            with fresh.open("wb") as file:
                file.truncate(DISK_BYTES)
            _run("zpool", "replace", "-f", POOL, bad, str(fresh))
            self._wait("resilver in progress")
        _run("zpool", "scrub", POOL)
        status = self._wait("scrub in progress")
        said += re.findall(r"([\d.]+[KMG]? (?:repaired|resilvered))", status)
        counts = [line.split() for line in status.splitlines() if ".img" in line]
        errors = max(int(_plain(line[4])) for line in counts if len(line) > 4)
        said.append(f"{errors} checksum errors")
        if re.search(r"errors: (?!No known)", status):
            said.append("the file is named as damaged")
        return "; ".join(said)

    def lost(self, records: list[bytes]) -> int:
        """How many records cannot be read, or read wrongly."""
        lost = 0
        fd = os.open(self._records, os.O_RDONLY)
        try:
            at = 0
            for record in records:
                try:
                    lost += os.pread(fd, len(record), at) != record
                except OSError:
                    lost += 1
                at += len(record)
        finally:
            os.close(fd)
        return lost

    def kill(self) -> None:
        """The daemon, with kill -9."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()
        subprocess.run(["umount", "--lazy", self._point], check=False, capture_output=True)

    def recover(self) -> None:
        self.wake()
        _run("zpool", "import", "-f", *UNREMEMBERED, "-d", str(self._images[0].parent), POOL)

    def end(self) -> None:
        subprocess.run(["zpool", "destroy", "-f", POOL], check=False, capture_output=True)
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.terminate()
            self._daemon.wait(30)
        shutil.rmtree(self._point, ignore_errors=True)
        for image in self._images:
            image.unlink(missing_ok=True)

    def _wait(self, while_said: str) -> str:
        deadline = time.monotonic() + 120
        while while_said in (status := _run("zpool", "status", POOL)):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status


def _plain(number: str) -> str:
    factors = {"K": 1_000, "M": 1_000_000}
    if number[-1] in factors:
        return str(round(float(number[:-1]) * factors[number[-1]]))
    return number


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
