"""What happened, to read: a line for each event, with the time since the night began.

Steps, faults, deaths and results are told; single answers are counted, or the story would be lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.universe import Universe


class Transcript:
    """Turns control records and counts into lines of the universe's transcript."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe

    def control(self, who: str, incarnation: int, record: dict[str, Any]) -> None:
        kind = record["type"]
        if kind == "published":
            number = record["question"] + 1
            why = f" ({record['reason']})" if record["reason"] else ""
            told = f"result of question {number}: {record['answers']} answers, version"
            self.tell(who, f"{told} {record['version']}{why}, head {record['head'][:8]}")
        elif kind == "leased":
            first, after = record["first"], record["first"] + record["count"]
            self.tell(who, f"fan numbers {first} to {after - 1} for incarnation {record['to']}")
        elif kind == "born":
            self.tell(who, f"begins as incarnation {incarnation}, {record['role']}")
        elif kind == "marked":
            if record["questions"]:
                numbers = ", ".join(str(n + 1) for n in record["questions"])
                self.tell(who, f"closes its book on question {numbers}")
        elif kind == "armed":
            show = record["show"]
            self.tell(who, f"the show is armed: {len(show['questions'])} questions, {show['mode']}")
        elif kind == "fenced":
            told = f"incarnation {record['incarnation']} is dead: fenced after {record['frames']}"
            self.tell(who, f"{told} frames")
        elif kind == "announced":
            self.tell(who, f"contenders: {record['fans']}, reserves: {record['reserves']}")
        else:
            about = f" question {record['question'] + 1}" if "question" in record else ""
            about += f" fan {record['fan']}" if "fan" in record else ""
            why = f" ({record['reason']})" if record.get("reason") else ""
            self.tell(who, f"{kind}{about}{why}")

    def tell(self, who: str, what: str) -> None:
        self._universe.note(who, what)
