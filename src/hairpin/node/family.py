"""Children forked from a warmed parent: watched, restarted with back-off, ended in order.

The parent has no event loop and no threads, so that forking is safe. Children notice the parent's
death by the end of a pipe, and end themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from hairpin.errors import EngineDown, HairpinError

log = structlog.get_logger()

Main = Callable[["Life"], Awaitable[None]]

STEADY_S = 5.0
"""A child that lives this long is no crash loop."""
BACK_OFF_MAX_S = 5.0
END_S = 10.0
CRASHED = 70
"""Exit code of a child that met an error nobody explains."""


class Life:
    """What a child knows of its family: when to stop, and how to say that it is ready."""

    def __init__(self, ready_fd: int, parent_fd: int) -> None:
        self.stop = asyncio.Event()
        self._ready_fd = ready_fd
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_reader(parent_fd, self._orphaned, parent_fd)

    def ready(self) -> None:
        os.write(self._ready_fd, os.getpid().to_bytes(8, "little"))

    def _orphaned(self, parent_fd: int) -> None:
        asyncio.get_running_loop().remove_reader(parent_fd)
        self.stop.set()


class Child:
    def __init__(self, name: str, main: Main) -> None:
        self.name = name
        self.main = main
        self.pid = 0
        self.ready = False
        self.served = False
        """Was any of its lives ready? Then an engine that is down is worth waiting for."""
        self.started_s = 0.0
        self.back_off_s = 0.0
        self.restart_at_s: float | None = None


class Family:
    """Forks, watches, ends. Use from the parent's only thread."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._ready_r, self._ready_w = os.pipe()
        self._parent_r, self._parent_w = os.pipe()
        self._ending = False
        self.failure: int | None = None
        """Exit code of a child that ended with an explained error: the node ends, too."""

    def add(self, name: str, main: Main) -> Child:
        child = Child(name, main)
        self._children.append(child)
        self._start(child)
        return child

    def pids(self, prefix: str) -> tuple[int, ...]:
        return tuple(child.pid for child in self._children if child.name.startswith(prefix))

    def listen(self) -> None:
        """SIGTERM and SIGINT end the family."""

        def end(_: int, __: object) -> None:
            self._ending = True

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)

    @property
    def ending(self) -> bool:
        return self._ending or self.failure is not None

    def watch(self, changed: Callable[[], None]) -> None:
        """Restart who dies, until the end; `changed` is called when pids or readiness change."""
        while not self.ending:
            if self._hear() | self._reap():
                changed()
            now_s = time.monotonic()
            for child in self._children:
                if child.restart_at_s is not None and now_s >= child.restart_at_s:
                    self._start(child)

    def all_ready(self) -> bool:
        return all(child.ready for child in self._children)

    def end(self) -> None:
        """SIGTERM, and in the end SIGKILL: first to all but the oldest child, then to that one.

        The oldest is the stage, which hears the last news of the others.
        """
        self._ending = True
        for wave in (self._children[1:], self._children[:1]):
            living = [child for child in wave if child.pid and child.restart_at_s is None]
            for child in living:
                _signal(child.pid, signal.SIGTERM)
            deadline_s = time.monotonic() + END_S
            while living and time.monotonic() < deadline_s:
                living = [child for child in living if not _ended(child.pid)]
                time.sleep(0.02)
            for child in living:
                log.error("had to be killed", child=child.name)
                _signal(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)

    # ----------------------------------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        child.restart_at_s = None
        child.ready = False
        child.started_s = time.monotonic()
        with contextlib.suppress(OSError):  # the disk behind them may be full
            sys.stdout.flush()
            sys.stderr.flush()
        pid = os.fork()
        if pid:
            child.pid = pid
            return
        code = CRASHED
        try:
            code = self._live(child)
        finally:
            os._exit(code)  # whatever happens, a child never goes on as its parent

    def _live(self, child: Child) -> int:
        """The child's whole life; returns its exit code."""
        os.close(self._parent_w)
        os.close(self._ready_r)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

        async def main() -> None:
            await child.main(Life(self._ready_w, self._parent_r))

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main())
        except HairpinError as error:
            print(f"{child.name}: {error}", file=sys.stderr, flush=True)
            return error.exit_code
        except BaseException:
            log.exception("a process crashed", process=child.name)
            return CRASHED
        return 0

    def _hear(self) -> bool:
        """Wait a moment for children that become ready."""
        try:
            heard, _, _ = select.select([self._ready_r], [], [], 0.05)
        except InterruptedError:
            return False
        if not heard:
            return False
        pid = int.from_bytes(os.read(self._ready_r, 8), "little")
        for child in self._children:
            if child.pid == pid:
                child.ready = child.served = True
        return True

    def _reap(self) -> bool:
        changed = False
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            changed = True
            child.ready = False
            child.pid = 0  # the number may soon be somebody else's
            code = os.waitstatus_to_exitcode(status)
            waits = child.served and code == EngineDown.exit_code
            if 0 < code < CRASHED and not waits:
                self.failure = code
                return True
            steady = time.monotonic() - child.started_s > STEADY_S
            child.back_off_s = 0.0 if steady else min(child.back_off_s * 2 + 0.1, BACK_OFF_MAX_S)
            child.restart_at_s = time.monotonic() + child.back_off_s
            log.error("a process died and is started again", process=child.name, code=code)
        return changed


def allow_files(wanted: int) -> int:
    """Raise the limit of open files, as children inherit it; returns how many are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
