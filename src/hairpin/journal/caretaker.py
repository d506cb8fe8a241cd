"""Resilvering while the show goes on: in lanes of their own, a step now and then.

The owner calls `tend` when `rest_s` has passed; that never waits for a disk.
"""

from __future__ import annotations

import structlog

from hairpin.errors import HairpinError
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.journal.resilver import Progress, Resilver
from hairpin.world import Lanes, World

log = structlog.get_logger()

REST_S = 0.2
"""Between two steps of one mirror: what answers need of the machine comes first."""
LOOK_S = 2.0
"""Between two looks at a mirror that waits for somebody."""
RETRY_S = 5.0
"""After a disk failed."""


class _Patient:
    """One mirror that is no member, and its lane."""

    def __init__(self, lane: int, resilver: Resilver) -> None:
        self.lane = lane
        self.resilver = resilver
        self.busy = False
        self.due_ms = 0.0
        self.why = ""
        """It does not go on; told once."""
        self.progress: Progress | None = None
        """Of the last step; the lane sets it."""

    def step(self) -> None:
        self.progress = self.resilver.step()


class Caretaker:
    """`mirrors` stay the owner's: each lane has a view of its own."""

    def __init__(self, world: World, mirrors: Mirrors) -> None:
        self._world = world
        self._mirrors = mirrors
        self._lanes: Lanes | None = None
        self._patients: dict[str, _Patient] = {}

    @property
    def rest_s(self) -> float | None:
        """How long until `tend` has something to do; None if all mirrors are members."""
        if not self._mirrors.others():
            return None
        now_ms = self._world.clock.monotonic_ms()
        dues = [
            REST_S if patient.busy else max(patient.due_ms - now_ms, 0.0) / 1000
            for patient in self._patients.values()
        ]
        return min(dues, default=0.0)

    def tend(self) -> None:
        self._collect()
        others = {mirror.id: mirror for mirror in self._mirrors.others()}
        for mirror in others.values():
            if mirror.id not in self._patients:
                self._patients[mirror.id] = self._admit(mirror)
        now_ms = self._world.clock.monotonic_ms()
        for mirror_id, patient in list(self._patients.items()):
            if patient.busy:
                continue
            if mirror_id not in others:
                del self._patients[mirror_id]
                patient.resilver.close()
            elif now_ms >= patient.due_ms:
                assert self._lanes is not None
                patient.busy = True
                self._lanes.submit(patient.lane, patient.step)

    def _admit(self, mirror: Mirror) -> _Patient:
        if self._lanes is None:
            self._lanes = self._world.threads.lanes()
        resilver = Resilver(self._world, self._mirrors.view(), mirror)
        return _Patient(self._lanes.open(mirror.directory), resilver)

    def _collect(self) -> None:
        """Note what came of steps."""
        while self._lanes is not None and (done := self._lanes.next(0.0)) is not None:
            patient = next(p for p in self._patients.values() if p.lane == done.lane)
            patient.busy = False
            rest_s = REST_S
            if done.error is not None:
                rest_s = RETRY_S
                self._explain(patient, done.error)
            elif patient.progress is not None:
                patient.why = ""
                if patient.progress.waiting or patient.progress.elsewhere:
                    rest_s = LOOK_S
            patient.due_ms = self._world.clock.monotonic_ms() + rest_s * 1000

    @staticmethod
    def _explain(patient: _Patient, error: Exception) -> None:
        if not isinstance(error, OSError | HairpinError):
            raise error
        if patient.why != str(error):
            log.warning("a mirror cannot be filled", why=str(error))
        patient.why = str(error)

    def close(self) -> None:
        """The process ends: what runs may end, or not; it is taken up again later."""
        if self._lanes is not None:
            self._lanes.close()
