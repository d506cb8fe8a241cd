"""The certificate: this installation took this show at its high estimate, on that day. Pure.

A file is one JSON document: `certificate`, the `public_key` of the installation, and its
`signature` over the certificate's canonical bytes (keys sorted, no white space, UTF-8). The layout
is fixed, too, so that a file in which any byte was changed is refused. Which facts must still hold
when a show is armed is told by `differences`; texts, pictures and right answers are not among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hairpin.errors import DataDamaged, YourMistake
from hairpin.rehearsal.findings import Findings, Option
from hairpin.rehearsal.verdict import Need, Verdict, judge
from hairpin.show import Show

FORMAT = 1
KEY_NAME_BYTES = 8


class Slot(msgspec.Struct, frozen=True):
    """One question as capacity sees it."""

    opens_after_ms: int | None
    duration_ms: int | None
    choices: int


class Schedule(msgspec.Struct, frozen=True):
    mode: str
    questions: tuple[Slot, ...]


class Audience(msgspec.Struct, frozen=True):
    low: int
    high: int
    tickets_max: int


class Facts(msgspec.Struct, frozen=True):
    """What must be the same on the night, or nothing was proved for it."""

    version: str
    code: str
    """BLAKE2b-128 of the program's files, hex."""
    schedule: Schedule
    audience: Audience
    configuration: dict[str, Option]
    """What bears on capacity, as it was in force: gates, limits, the engine of the tally."""

    def hashes(self) -> Hashes:
        return Hashes(
            version=_hash((self.version, self.code)),
            schedule=_hash(self.schedule),
            audience=_hash(self.audience),
            configuration=_hash(self.configuration),
        )


class Hashes(msgspec.Struct, frozen=True):
    """BLAKE2b-128 of each fact's canonical bytes, hex."""

    version: str
    schedule: str
    audience: str
    configuration: str


class Machine(msgspec.Struct, frozen=True):
    """Where the node ran. Recorded, not compared: the key already says whose machine it was."""

    host: str
    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    python: str


class Certificate(msgspec.Struct, frozen=True):
    format: int
    id: str
    """12 hex digits, from all that follows."""
    dated_ms: int
    dated: str
    """The same in words, UTC."""
    show: str
    title: str
    facts: Facts
    hashes: Hashes
    machine: Machine
    findings: Findings
    verdict: Verdict

    @property
    def name(self) -> str:
        """Of its files, without suffix."""
        return f"{self.show}-{_utc(self.dated_ms):%Y%m%dT%H%M%SZ}"


class Signed(msgspec.Struct, frozen=True):
    """A certificate whose signature holds, and the key that made it."""

    certificate: Certificate
    public_key: str
    """32 bytes in hex."""


class Difference(msgspec.Struct, frozen=True):
    """One fact that is no longer what was certified."""

    fact: str
    certified: str
    now: str

    def __str__(self) -> str:
        return f"{self.fact}: certified {self.certified}, now {self.now}"


def facts(show: Show, version: str, code: str, configuration: dict[str, Option]) -> Facts:
    slots = tuple(Slot(q.opens_after_ms, q.duration_ms, len(q.choices)) for q in show.questions)
    return Facts(
        version=version,
        code=code,
        schedule=Schedule(str(show.mode), slots),
        audience=Audience(show.audience_low, show.audience_high, show.tickets_max),
        configuration=configuration,
    )


def need(certified: Facts) -> Need:
    """What the verdict holds the findings against."""
    open_ms = [slot.duration_ms for slot in certified.schedule.questions if slot.duration_ms]
    return Need(
        fans=certified.audience.high,
        questions=len(certified.schedule.questions),
        shortest_s=min(open_ms) / 1000 if open_ms else None,
        public_url=str(certified.configuration.get("public_url") or ""),
    )


def certify(
    show: Show, certified: Facts, machine: Machine, findings: Findings, dated_ms: int
) -> Certificate:
    """Judge the findings. `dated_ms`: milliseconds since 1970."""
    certificate = Certificate(
        format=FORMAT,
        id="",
        dated_ms=dated_ms,
        dated=f"{_utc(dated_ms):%Y-%m-%d %H:%M:%S} UTC",
        show=show.id,
        title=show.title[show.languages[0]],
        facts=certified,
        hashes=certified.hashes(),
        machine=machine,
        findings=findings,
        verdict=judge(findings, need(certified)),
    )
    return msgspec.structs.replace(certificate, id=_hash(certificate)[:12])


def sign(certificate: Certificate, key: Ed25519PrivateKey) -> bytes:
    """The bytes of the file."""
    body = msgspec.to_builtins(certificate)
    document = {
        "certificate": body,
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(canonical(body)).hex(),
    }
    return _layout(document)


def verify(data: bytes, file: str) -> Signed:
    """Read a file that `sign` made. Raises DataDamaged where it is not what was signed, YourMistake
    where it is no certificate, or one of another format."""
    try:
        document = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        body = msgspec.json.decode(document["certificate"])
        public_key = msgspec.json.decode(document["public_key"], type=str)
        signature = msgspec.json.decode(document["signature"], type=str)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), canonical(body))
    except InvalidSignature:
        raise _changed(file, "the signature does not belong to this content") from None
    except (msgspec.MsgspecError, KeyError, ValueError, TypeError) as error:
        raise _changed(file, f"it is no signed certificate ({error})") from None
    hexadecimal = {
        "public_key": bytes.fromhex(public_key).hex(),
        "signature": bytes.fromhex(signature).hex(),
    }
    whole = {"certificate": body, **hexadecimal}
    if data != _layout(whole):
        raise _changed(file, "it was written anew since it was signed")
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise YourMistake(
            f"{file}: this certificate has another format than {FORMAT}",
            "It is of another version of Hairpin: rehearse again with this one.",
        )
    try:
        return Signed(msgspec.convert(body, Certificate), public_key)
    except msgspec.ValidationError as error:
        raise _changed(file, f"it holds something else ({error})") from None


def differences(certified: Facts, now: Facts) -> tuple[Difference, ...]:
    """What un-arms a show; nothing where every hash is the same."""
    old, new = certified.hashes(), now.hashes()
    found: list[Difference] = []
    if old.version != new.version:
        found.append(
            Difference(
                "version",
                f"{certified.version} (code {certified.code[:12]})",
                f"{now.version} (code {now.code[:12]})",
            )
        )
    if old.schedule != new.schedule:
        found.extend(_schedule(certified.schedule, now.schedule))
    if old.audience != new.audience:
        found.extend(
            Difference(f"audience.{name}", f"{was:,}", f"{now_is:,}")
            for name, was, now_is in _fields(certified.audience, now.audience)
        )
    if old.configuration != new.configuration:
        was, is_ = certified.configuration, now.configuration
        found.extend(
            Difference(f"setting {name}", _value(was, name), _value(is_, name))
            for name in sorted({*was, *is_})
            if name not in was or name not in is_ or was[name] != is_[name]
        )
    return tuple(found)


def key_name(public_key: str) -> str:
    """A short name of an installation's key, for people: 16 hex digits."""
    digest = hashlib.blake2b(bytes.fromhex(public_key), digest_size=KEY_NAME_BYTES)
    return digest.hexdigest()


def canonical(value: object) -> bytes:
    """The bytes that are signed and hashed: sorted keys, no white space, UTF-8."""
    return msgspec.json.encode(value, order="sorted")


def _schedule(was: Schedule, now: Schedule) -> Iterator[Difference]:
    if was.mode != now.mode:
        yield Difference("mode", was.mode, now.mode)
    if len(was.questions) != len(now.questions):
        yield Difference("questions", str(len(was.questions)), str(len(now.questions)))
        return
    for number, (old, new) in enumerate(zip(was.questions, now.questions, strict=True), start=1):
        for name, before, after in _fields(old, new):
            yield Difference(f"question {number}, {name}", _number(before), _number(after))


def _fields(was: msgspec.Struct, now: msgspec.Struct) -> Iterator[tuple[str, int, int]]:
    for name in was.__struct_fields__:
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            yield name, before, after


def _number(value: int | None) -> str:
    return "by hand" if value is None else f"{value:,}"


def _value(configuration: dict[str, Option], name: str) -> str:
    return repr(configuration[name]) if name in configuration else "not there"


def _layout(document: dict[str, object]) -> bytes:
    """For people, too: indented, a list of numbers on one line."""
    return (_pretty(msgspec.to_builtins(document), "") + "\n").encode()


def _pretty(value: object, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{_scalar(k)}: {_pretty(v, deeper)}" for k, v in sorted(value.items())]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(v, dict | list) for v in value):
        return "[\n" + ",\n".join(deeper + _pretty(v, deeper) for v in value) + f"\n{indent}]"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _hash(value: object) -> str:
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _changed(file: str, why: str) -> DataDamaged:
    return DataDamaged(
        f"{file} is not a certificate as it was signed: {why}",
        "Take the untouched file, or rehearse again: hairpin rehearse.",
    )
