"""What befalls the mirrors of a journal in its life, and how much at a time.

Harmless for what is durable, and so allowed anywhere at any time: errors that are told, full, slow
and hanging disks, and disks that are away and come back as they were. Harmful, and so allowed only
while another mirror is whole and well: lies, decay, and disks that never come back.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.journal.label import LABEL
from hairpin.journal.labels import SPARE
from sim.disk import DiskFaults
from sim.journal_checks import Truth

if TYPE_CHECKING:
    from sim.disk import Disks, Image
    from sim.universe import Universe

TOLD = (
    DiskFaults(write_eio=0.2),
    DiskFaults(write_enospc=0.3),
    DiskFaults(sync_eio=0.2),
    DiskFaults(sync_eio=0.5, read_evicted=0.2),
    DiskFaults(create_eio=0.3, rename_eio=0.2),
    DiskFaults(create_enospc=0.5),
    DiskFaults(open_eio=0.3, truncate_eio=0.3),
    DiskFaults(read_eio=0.2),
    DiskFaults(write_eio=0.05, sync_eio=0.05, rename_eio=0.05, create_eio=0.05, read_eio=0.05),
    DiskFaults(death=0.1),
    DiskFaults(sync_eio=0.3, death=0.1),
)
LIES = (
    DiskFaults(sync_lost=0.2),
    DiskFaults(sync_torn=0.2),
    DiskFaults(sync_misdirected=0.2),
    DiskFaults(sync_lost=0.05, sync_torn=0.05, sync_misdirected=0.05, read_evicted=0.2),
)
HANGS_MS = (200.0, 900.0, 1500.0, 4000.0, 15_000.0)
LATENCIES_MS = (20.0, 300.0, 900.0, 1100.0, 3000.0)


class Troubles:
    def __init__(
        self,
        universe: Universe,
        truth: Truth,
        mirrors: list[Path],
        dice: random.Random,
        all_know: Callable[[], bool],
    ) -> None:
        """`mirrors`: those that the operator knows of. `all_know`: has every process seen the label
        that is in force?"""
        self._all_know = all_know
        self._universe = universe
        self._truth = truth
        self._mirrors = mirrors
        self._dice = dice
        self.ill: dict[Path, str] = {}
        """Mirrors with a trouble of some duration."""
        self.away: set[Path] = set()
        self._images: dict[Path, Image] = {}
        self._labels: dict[Path, dict[str, bytes]] = {}
        """Of mirrors that began to lie."""

    @property
    def _disks(self) -> Disks:
        return self._universe.machine.disks

    def well(self, mirror: Path) -> bool:
        return mirror not in self.away | self._truth.lying and self._truth.whole(mirror)

    def spare(self, mirror: Path) -> bool:
        """Would all live on if this one were lost? One that is ill may be ejected any time."""
        others = (other for other in self._mirrors if other not in (mirror, *self.ill))
        return any(self.well(other) for other in others)

    def sound(self) -> bool:
        """Is there no hidden damage, so that any member can be the last one?

        Nor does any process believe in a member that is none: within the two seconds until it
        looks at the labels again it would go on with that one, if all others failed and whoever
        ejected it was dead.
        """
        members, _ = self._truth.members()
        whole = all(self._truth.gap(place) is None for place in members)
        return whole and not self._truth.lying and self._all_know()

    def put_back_old(self) -> None:
        """While the machine is off: a disk as it was when the machine was off before."""
        mirror = self._dice.choice(self._mirrors)
        image = self._images.get(mirror)
        if image is not None and mirror not in self.ill and self.spare(mirror):
            self._note(mirror, "is as it was once")
            self._disks.restore(mirror, image)
            self._truth.hurt.add(mirror)
        for mirror in self._mirrors:
            if mirror not in self.away and self._dice.random() < 0.3:
                self._images[mirror] = self._disks.snapshot(mirror)

    # --- by dice ----------------------------------------------------------------------------------

    def befall(self) -> None:
        """Something new, perhaps."""
        mirror = self._dice.choice(self._mirrors)
        spare = not self._truth.strict or self.spare(mirror)
        kinds: list[Callable[[Path], None]] = []
        if spare or self.sound():
            kinds += [self._fault, self._fault, self._hang, self._slow, self._pull, self._fill_up]
        if spare:
            kinds += [self._lie, self._rot, self._rot]
        if kinds and mirror not in self.ill:
            self._dice.choice(kinds)(mirror)

    def mend(self, mirror: Path | None = None) -> None:
        """One trouble ends."""
        if mirror is None:
            if not self.ill:
                return
            mirror = self._dice.choice(list(self.ill))
        self._disks.set_faults(mirror, DiskFaults())
        self._disks.slow(mirror, 0.0)
        self._disks.hang(mirror, 0.0)
        self._disks.set_capacity(mirror, None)
        if mirror in self.away:
            self._disks.put_back(mirror)
            self.away.discard(mirror)
        if mirror in self._truth.lying:
            self._truth.lying.discard(mirror)
            self._restore_label(mirror)
        self._note(mirror, f"is well again: {self.ill.pop(mirror)}")

    def _restore_label(self, mirror: Path) -> None:
        """If both were destroyed: what the remedy says, from a copy that is older."""
        if mirror in self._truth.labels():
            return
        self._note(mirror, "gets back an old label, for it has none that can be read")
        for name, data in self._labels[mirror].items():
            if data:
                self._disks.port(None).replace(mirror / name, data)

    def _label(self, path: Path) -> bytes:
        try:
            return self._disks.durable(path)
        except FileNotFoundError:
            return b""

    def mend_all(self) -> None:
        for mirror in list(self.ill):
            self.mend(mirror)

    def _note(self, mirror: Path, what: str) -> None:
        self._universe.note("fate", f"{mirror} {what}")

    def _begin(self, mirror: Path, what: str) -> None:
        self.ill[mirror] = what
        self._note(mirror, what)

    # --- harmless ---------------------------------------------------------------------------------

    def _fault(self, mirror: Path) -> None:
        faults = self._dice.choice(TOLD)
        self._disks.set_faults(mirror, faults)
        if self._dice.random() < 0.3:
            self._disks.slow(mirror, 300.0)
        self._begin(mirror, str(faults))

    def _hang(self, mirror: Path) -> None:
        until_ms = self._dice.choice(HANGS_MS)
        self._begin(mirror, f"hangs for {until_ms:.0f} ms")
        self._disks.hang(mirror, self._universe.now_ms + until_ms)

    def _slow(self, mirror: Path) -> None:
        latency_ms = self._dice.choice(LATENCIES_MS)
        self._begin(mirror, f"takes {latency_ms:.0f} ms for everything")
        self._disks.slow(mirror, latency_ms)

    def _fill_up(self, mirror: Path) -> None:
        used = self._disks.space(mirror).used_bytes
        self._begin(mirror, "is full")
        self._disks.set_capacity(mirror, used + self._dice.choice((0, 500, 5000)))

    def _pull(self, mirror: Path) -> None:
        self._begin(mirror, "is away")
        self.away.add(mirror)
        self._disks.pull(mirror)
        for strand in self._truth.strands.values():
            strand.ending = True  # whoever writes to it there has lost its lock

    # --- harmful ----------------------------------------------------------------------------------

    def _lie(self, mirror: Path) -> None:
        faults = self._dice.choice(LIES)
        self._begin(mirror, f"lies: {faults}")
        self._labels[mirror] = {name: self._label(mirror / name) for name in (LABEL, SPARE)}
        self._truth.lying.add(mirror)
        self._truth.hurt.add(mirror)
        self._disks.set_faults(mirror, faults)

    def _rot(self, mirror: Path) -> None:
        for _ in range(self._dice.choice((1, 1, 3))):
            self._disks.rot(mirror, self._dice, "*.hpj")
        self._truth.hurt.add(mirror)
