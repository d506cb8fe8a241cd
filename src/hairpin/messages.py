"""What processes tell each other over the bus, and what the journal's control frames say.

News (bus) may be lost and is told again; truth (control records) is journalled before it is told.
Times are milliseconds since 1970 unless a name says otherwise.
"""

from __future__ import annotations

import msgspec

from hairpin.show import Show

# --- control records: bodies of control frames, JSON, tagged by "type" -------------------------


class Control(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of all control records."""


class Permission(msgspec.Struct, frozen=True):
    """On what grounds a show was armed."""

    grounds: str
    """certificate | override | rehearsal | demo"""
    certificate: str = ""
    """Id of the certificate that holds."""
    certified_ms: int | None = None
    """When it was dated."""
    reason: str = ""
    """Of an override, in the producer's words."""
    lacking: str = ""
    """What the override goes over: why no certificate held."""


class Armed(Control, frozen=True, tag="armed"):
    """The show that this journal is about. Answers count milliseconds from `epoch_ms`."""

    at_ms: int
    epoch_ms: int
    show: Show
    show_hash: str
    opens_ms: tuple[int | None, ...]
    permission: Permission | None = None
    """None where it was armed by a version that knew no certificates."""


class Born(Control, frozen=True, tag="born"):
    """A writer begins; durable before its first acknowledgement."""

    at_ms: int
    role: str


class Leased(Control, frozen=True, tag="leased"):
    """Fan numbers [first, first + count) belong to this writer, used or not."""

    at_ms: int
    to: int
    """The incarnation that will issue them."""
    first: int
    count: int


class Opened(Control, frozen=True, tag="opened"):
    at_ms: int
    question: int


class Closed(Control, frozen=True, tag="closed"):
    at_ms: int
    question: int


class Held(Control, frozen=True, tag="held"):
    """The clock opens no further question until it is released."""

    at_ms: int


class Released(Control, frozen=True, tag="released"):
    """The clock is armed again, and opens what is due."""

    at_ms: int


class Revealed(Control, frozen=True, tag="revealed"):
    at_ms: int
    question: int
    right: int


class Corrected(Control, frozen=True, tag="corrected"):
    at_ms: int
    question: int
    right: int
    reason: str


class Voided(Control, frozen=True, tag="voided"):
    at_ms: int
    question: int
    reason: str


class Struck(Control, frozen=True, tag="struck"):
    """A contender is taken off the leaderboard."""

    at_ms: int
    fan: int
    reason: str


class Marked(Control, frozen=True, tag="marked"):
    """A gate's close marker: it will journal no more answers to these questions."""

    at_ms: int
    questions: tuple[int, ...]


class Fenced(Control, frozen=True, tag="fenced"):
    """Another writer is dead, and its frames end at `frames` with `chain` (hex)."""

    at_ms: int
    incarnation: int
    frames: int
    chain: str


class Published(Control, frozen=True, tag="published"):
    """A result as it was shown, with the heads of all chains that it rests on."""

    at_ms: int
    question: int
    version: int
    reason: str
    answers: int
    right: int
    head: str
    positions: dict[str, int]
    """Incarnation to number of frames."""


class Announced(Control, frozen=True, tag="announced"):
    """Contenders may claim until the deadline; fans by rank, reserves after them."""

    at_ms: int
    deadline_ms: int
    fans: tuple[int, ...]
    reserves: tuple[int, ...]


AnyControl = (
    Armed
    | Born
    | Leased
    | Opened
    | Closed
    | Held
    | Released
    | Revealed
    | Corrected
    | Voided
    | Struck
    | Marked
    | Fenced
    | Published
    | Announced
)

# --- news -----------------------------------------------------------------------------------------

TOPIC_SYNCED = "synced"
TOPIC_ORDER = "order"
TOPIC_TALLY = "tally"
TOPIC_GATE = "gate"
TOPIC_ORDER_NOW = "order.now"
TOPIC_LEASE = "lease"
TOPIC_CLAIM = "claim"
TOPIC_CLOCKS = "clocks"


class Synced(msgspec.Struct, frozen=True):
    """How many of one writer's frames are durable: read these and no further."""

    incarnation: int
    frames: int


class GateQuestion(msgspec.Struct, frozen=True):
    """All that a gate needs to admit answers to one question."""

    choices: int
    multiple: bool
    opened_ms: int | None
    closes_ms: int | None
    closed: bool


class Document(msgspec.Struct, frozen=True):
    """A public document that any cache may hold."""

    path: str
    body: bytes
    etag: str
    max_age_s: int
    content_type: str = "application/json"


class PollPlan(msgspec.Struct, frozen=True):
    """From this a gate derives `poll_after_ms` for each second's `/now`."""

    state: str | None
    closes_ms: int | None
    next_ms: int | None
    reveal_ms: int


class OrderState(msgspec.Struct, frozen=True):
    """The running order as gates need it; a higher version replaces a lower one."""

    version: int
    epoch_ms: int
    questions: tuple[GateQuestion, ...]
    now: bytes
    """The JSON object of `GET /now` without its time fields."""
    poll: PollPlan
    documents: tuple[Document, ...]


class GateReport(msgspec.Struct, frozen=True):
    """What one gate process did since its birth; in silence sent only to say that it lives."""

    incarnation: int
    at_ms: int
    pid: int
    cpu_s: float
    connections: int
    acknowledged: int
    refused: dict[str, int]
    tickets: int
    requests: dict[str, int]
    commits: int
    commit_ms_p50: float
    commit_ms_p99: float
    latency_ms_p50: float
    latency_ms_p99: float
    journal_error: str | None
    degraded: tuple[str, ...] = ()
    """Directories of the journal's mirrors that lack something."""
    order: int = 0
    """Version of the running order that it knows; whoever is behind is told again."""
    frames: int = 0
    """How many frames of its strand are durable, in case that the news of it got lost."""


class LeaseRequest(msgspec.Struct, frozen=True):
    incarnation: int
    count: int


class LeaseReply(msgspec.Struct, frozen=True):
    """`count` 0: the cap is reached."""

    first: int
    count: int


class Cell(msgspec.Struct, frozen=True):
    """Counts of one age band or country."""

    answers: int
    right: int


APPROXIMATE = "approximate"
"""How the status of a question begins that is not counted exactly, and never will be."""


class BestCountry(msgspec.Struct, frozen=True):
    country: str
    right: int
    answers: int


class QuestionTally(msgspec.Struct, frozen=True):
    """The counts of one question at one moment: the snapshot."""

    question: int
    id: str
    status: str
    """counting | provisional | final | void, or "approximate: " and the engine that counts"""
    version: int
    reason: str
    missing: tuple[int, ...]
    """Writers whose close marker a provisional result waits for."""
    journalled: int
    repeats: int
    answers: int
    """Counted: one per fan."""
    by_choice: tuple[int, ...] | None
    """None if the engine does not count choices."""
    by_age_band: tuple[Cell, ...]
    by_country: dict[str, Cell]
    right: int
    wrong: int
    best_country: BestCountry | None


class Leader(msgspec.Struct, frozen=True):
    rank: int
    fan: int
    right: int
    total_ms: int
    country: str
    age_band: int
    tied: int
    """How many fans share this rank."""


class AnswerClocks(msgspec.Struct, frozen=True):
    """Both clocks of one answer, in ms: ours since the opening, the phone's after the clamp."""

    index: int
    received_ms: int
    elapsed_ms: int


class ContenderClocks(msgspec.Struct, frozen=True):
    """Of one fan's right answers, in order of the questions."""

    fan: int
    clocks: tuple[AnswerClocks, ...]


class ClocksRequest(msgspec.Struct, frozen=True):
    fans: tuple[int, ...]


class ClocksReply(msgspec.Struct, frozen=True):
    contenders: tuple[ContenderClocks, ...]


class RankRow(msgspec.Struct, frozen=True):
    """Fans with this many right: how many, and their total times at even quantiles (ms)."""

    right: int
    fans: int
    total_ms: tuple[int, ...]


class TallySnapshot(msgspec.Struct, frozen=True):
    """All that the stage shows; published a few times a second while something changes."""

    at_ms: int
    oldest_ms: int | None
    """When the oldest answer that this snapshot adds was received; None if it adds none."""
    answers_per_s: float
    questions: tuple[QuestionTally, ...]
    leaders: tuple[Leader, ...]
    more: int
    """Fans who share the last listed rank but are not listed."""
    ranks: tuple[RankRow, ...]
    fans: int
    """Fans who answered a folded question at least once."""
    head: str
    positions: dict[str, int]


class ClaimRequest(msgspec.Struct, frozen=True):
    """From the phone of a contender; `ticket` was verified by the gate."""

    fan: int
    age_band: int
    country: int
    code: str
    name: str
    consent: bool


class ClaimReply(msgspec.Struct, frozen=True):
    status: int
    detail: str


class Winner(msgspec.Struct, frozen=True):
    """An approved contender, with the name that was claimed and may be shown."""

    rank: int
    fan: int
    name: str


class ClaimRow(msgspec.Struct, frozen=True):
    """One contender as the producer sees them before deciding."""

    fan: int
    rank: int
    right: int
    total_ms: int
    name: str | None
    status: str
    """reserve | open | claimed | approved | struck | missed"""
    clocks: tuple[AnswerClocks, ...]
