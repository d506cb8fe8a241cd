"""Short lives of a machine whose only work is its journal.

Several processes write at once, die, and start again; mirrors fail one after the other. What was
acknowledged must be there at every moment, and after the last one all mirrors must be the same.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec

from hairpin.errors import YourMistake
from hairpin.journal.disk import DiskJournal
from sim.checkers import Violation
from sim.disk_files import File
from sim.disk_system import Directory
from sim.journal_actors import STALL_MS, Actor, Settings
from sim.journal_checks import Truth
from sim.journal_trouble import Troubles
from sim.turns import Act, Turns
from sim.universe import Universe

GATES = 3
SESSIONS = 4
ROUNDS = 14
REST = 0.07
"""Chance of a rest before a round."""
HEALING_ROUNDS = 10
STEPS = 10


class Outcome(msgspec.Struct):
    seed: int
    frames: int
    refusals: int
    operations: int
    faults: int
    violation: str = ""
    transcript: str = ""


class Life:
    def __init__(self, seed: int, mirrors: int, beyond: bool = False) -> None:
        """`beyond`: more faults than the rules survive."""
        self.universe = Universe(seed)
        self._dice = random.Random(f"life {seed}")
        self._disks = self.universe.machine.disks
        self._places = [Path(f"/{letter}/journal") for letter in "abcd"[:mirrors]]
        self.truth = Truth(self._platter, lambda: self._places)
        self.truth.strict = not beyond
        self._settings = Settings(list(self._places))
        self.troubles = Troubles(
            self.universe, self.truth, self._settings.directories, self._dice, self._all_know
        )
        self._turns = Turns(self._dice)
        self.director = self._actor("director")
        self._gates = [self._actor(f"gate {n + 1}") for n in range(GATES)]
        for place in self._places:
            self._disks.mount(place.parent)

    def _actor(self, name: str) -> Actor:
        return Actor(self.universe, self.truth, self._settings, name, self._dice)

    def _all_know(self) -> bool:
        epochs = [label.epoch for label in self.truth.labels().values()]
        known = [a.journal.mirrors.label.epoch for a in self._actors() if a.alive and a.journal]
        return min(known, default=max(epochs)) >= max(epochs)

    def _platter(self, path: Path) -> bytes | None:
        """Also of a disk that is away."""
        directory = self._disks.disk(path).system.root.entries.get(path.parent.name)
        node = directory.entries.get(path.name) if isinstance(directory, Directory) else None
        return bytes(node.platter) if isinstance(node, File) else None

    # --- the whole life ---------------------------------------------------------------------------

    def run(self) -> Outcome:
        violation = ""
        try:
            self._create()
            for _ in range(SESSIONS):
                self._session()
            self._recover()
        except Violation as found:
            violation = str(found)
            self.universe.note("court", f"VIOLATION of {found}")
        finally:
            outcome = self._outcome(violation)
            self.universe.close()
        return outcome

    def _outcome(self, violation: str) -> Outcome:
        tally = self._disks.tally
        return Outcome(
            self.universe.seed,
            self.truth.frames,
            self.director.refusals + sum(gate.refusals for gate in self._gates),
            sum(tally.operations.values()),
            sum(tally.faults.values()),
            violation,
            self.universe.transcript() if violation else "",
        )

    def _create(self) -> None:
        process = self.universe.process("init")
        journal = process.context.run(
            DiskJournal.create, process.world, *self._places, stall_ms=STALL_MS
        )
        self.truth.journal = journal.id
        process.kill()

    def _session(self) -> None:
        """From one start of the machine to its end."""
        self.troubles.put_back_old()
        if not self._boot():
            self._end()
            return
        for _ in range(ROUNDS):
            self._fate()
            if self._dice.random() < REST:
                self._rest()
            self._round()
            self._pass(self._dice.choice((0, 0, 20, 300, 1500, 6000)))
        self._end()

    def _rest(self) -> None:
        """Nobody dies and nobody writes: time for mirrors to come back."""
        for _ in range(3):
            for actor in self._actors():
                if actor.writes:
                    self._alone(actor, actor.tend)
            if self.director.writes:
                self._alone(self.director, self.director.fill)
            self._pass(6000)
        self._check()

    def _end(self) -> None:
        """In order, by kill -9 of all, or by a power cut."""
        how = self._dice.random()
        if how < 0.3:
            for actor in self._actors():
                if actor.writes:
                    self._alone(actor, actor.seal)
        if how < 0.6:
            for actor in self._actors():
                if actor.process is not None:
                    actor.process.kill("in the end")
        else:
            self.universe.machine.power_cut()

    def _actors(self) -> list[Actor]:
        return [self.director, *self._gates]

    # --- starting ---------------------------------------------------------------------------------

    def _boot(self) -> bool:
        """The director first: it ends what was left open, then writes itself."""
        self._settings.degraded = self._may_degrade()
        self.director.born()
        if not self._opens():
            if self.director.process is not None:
                self.director.process.kill("for it cannot start")
            self.troubles.mend_all()
            self._settings.degraded = False
            self.director.born()
            if not self._opens():
                return False
        self._alone(self.director, self.director.begin_term)
        if not self.director.began_term:
            return False
        self._alone(self.director, self.director.fence_all)
        self._alone(self.director, self.director.recount)
        self._alone(self.director, self.director.begin)
        self._settings.degraded = False  # from now on labels tell
        return True

    def _may_degrade(self) -> bool:
        """The operator is right to force it: what is here is whole."""
        return any(self.troubles.well(place) for place in self._settings.directories)

    def _opens(self) -> bool:
        try:
            self._alone(self.director, self.director.open)
        except YourMistake as mistake:
            self.universe.note("director", f"cannot open: {mistake}")
            if not self.troubles.ill and self.truth.strict:
                raise Violation("what is here can be opened", str(mistake)) from mistake
        return self.director.journal is not None

    # --- rounds -----------------------------------------------------------------------------------

    def _fate(self) -> None:
        chance = self._dice.random()
        if chance < 0.2:
            self.troubles.befall()
        elif chance < 0.4:
            self.troubles.mend()

    def _round(self) -> None:
        self.truth.quiet = not self.troubles.ill
        actors = self._dice.sample(self._actors(), self._dice.choice((1, 2, 2, 3, 4)))
        acts = []
        for actor in actors:
            if not actor.alive:
                actor.born()
            process = actor.process
            assert process is not None
            what = self._choose(actor)
            if self._dice.random() < 0.03:
                process.kill_at_call(self._dice.randint(1, 40))
            acts.append((process, actor.doing(what)))
        self._turns.play(acts)
        self._check()

    def _alone(self, actor: Actor, what: Act) -> None:
        if actor.process is not None and actor.alive:
            self._turns.play([(actor.process, actor.doing(what))])

    def _choose(self, actor: Actor) -> Act:
        if actor.journal is None or not actor.writes:
            return actor.start
        kinds = [actor.commit] * 6 + [actor.tend] * 3 + [actor.roll, actor.seal, actor.follow]
        if actor is self.director:
            kinds += [actor.fence_one, actor.fence_all, actor.recount, actor.follow]
            kinds += [actor.fill] * 6 + [actor.scrub, actor.snapshot]
        return self._dice.choice(kinds)

    def _pass(self, ms: float) -> None:
        if ms:
            self.universe.run(asyncio.sleep(ms / 1000))

    def _check(self) -> None:
        if self.truth.strict:
            self.truth.members_hold_all()
        if self.truth.strict and not any(map(self.truth.whole, self._settings.directories)):
            gaps = [self.truth.gap(place) for place in self._settings.directories]
            raise Violation("some member holds everything", "; ".join(str(gap) for gap in gaps))

    # --- the end ----------------------------------------------------------------------------------

    def _recover(self) -> None:
        """All is well again: everything must come right by itself."""
        self.troubles.mend_all()
        self.truth.quiet = True
        self.universe.machine.power_cut()
        self._settings.degraded = False
        if not self._boot():
            if not self.truth.strict:
                return
            raise Violation("what is here can be opened", "the director does not start")
        for _ in range(HEALING_ROUNDS):
            self._alone(self.director, self.director.tend)
            for _ in range(STEPS):
                self._alone(self.director, self.director.fill)
            self._pass(6000)
        self._alone(self.director, self.director.scrub)
        self._alone(self.director, self.director.commit)
        self._alone(self.director, self.director.seal)
        self._alone(self.director, self.director.fence_all)
        self._alone(self.director, self.director.recount)
        if self.truth.strict:
            self._all_the_same()

    def _all_the_same(self) -> None:
        places = set(self._settings.directories)
        members, _ = self.truth.members()
        if set(members) != places:
            found = f"{sorted(map(str, places - set(members)))} are none"
            raise Violation("in the end all mirrors are members", found)
        for place in places:
            gap = self.truth.gap(place)
            if gap is not None:
                raise Violation("in the end all mirrors hold everything", gap)
        images = {place: self._strands(place) for place in sorted(places)}
        first, *others = images
        for other in others:
            a, b = images[first], images[other]
            differ = sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n))
            if differ:
                raise Violation(
                    "in the end all mirrors are the same", f"{first}, {other}: {differ}"
                )

    def _strands(self, place: Path) -> dict[str, bytes]:
        files = self._disks.snapshot(place).files.items()
        return {Path(p).name: data for p, (_, data) in files if p.endswith(".hpj")}
