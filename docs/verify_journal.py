#!/usr/bin/env python3
"""Verify the journal of a Hairpin show, and count its answers again.

    python3 verify_journal.py EXPORT_OR_DIRECTORY --head HASH [--json]

HASH is the head that stood on the wall with a result. EXPORT is the tar that the people of the show
give to whoever asks (`hairpin journal export`); a directory is that tar unpacked, or the journal.

This file needs Python 3.9 and nothing else, and shares no code with Hairpin: it was written from
docs/formats.md alone, so that a mistake in the one is not repeated in the other. It keeps the whole
journal in memory, and takes a few seconds for each million answers. Read it from top to bottom:

    1. frames     is every byte what was written?      4. counting   what do the records say?
    2. files      where are the frames?                5. the head   what does HASH stand for?
    3. journal    is everything there?                 6. telling it

Exit status: 0 the head holds; 2 it was called wrongly; 5 the journal is not what was written;
7 the journal is sound, but the head is of nothing in it, or a result was told wrongly.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Refused(Exception):
    """The journal is not what was written."""


class DoesNotHold(Exception):
    """The journal is sound, but it does not say what was told."""


# --- 1. frames ------------------------------------------------------------------------------------
#
# A frame is a header of 56 bytes and a body. Its checksum (CRC-32C) finds accidents: anyone can
# compute a new one. Its chain finds intent: it is a hash over the chain of the frame before and
# over this frame, so that whoever changes one byte must change every chain after it, up to the head
# that everybody saw on the night.

HEADER = struct.Struct("<4sBBHQIIQII16s")
MAGIC = b"HPN1"
VERSION = 1
ANSWERS, CONTROL, SEAL = 1, 2, 3
BODY_MAX = 4 << 20
CRC_AT, CHAIN_AT = 36, 40


class Frame(NamedTuple):
    kind: int
    sequence: int
    records: int
    body: bytes
    chain: bytes
    before_crc: bytes
    """The header up to the checksum: what goes into the chain."""


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    table, crc = CRC_TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def hash128(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def read_frame(data: bytes, at: int, journal: int, incarnation: int) -> Frame:
    """The frame that begins at byte `at`. Raises Refused with the reason if there is none."""
    header = data[at : at + HEADER.size]
    if len(header) < HEADER.size:
        raise Refused(f"{len(header)} bytes where a header of {HEADER.size} belongs")
    magic, version, kind, _, of, writer, count, sequence, size, crc, chain = HEADER.unpack(header)
    if magic != MAGIC:
        raise Refused("no frame begins here")
    if version != VERSION:
        raise Refused(f"format version {version}; this program knows version {VERSION}")
    body = data[at + HEADER.size : at + HEADER.size + size]
    if size > BODY_MAX or len(body) < size:
        raise Refused(f"a body of {size} bytes, of which {len(body)} are here")
    if crc32c(header[:CRC_AT] + bytes(4) + header[CHAIN_AT:] + body) != crc:
        raise Refused("the checksum does not hold")
    if kind not in (ANSWERS, CONTROL, SEAL):
        raise Refused(f"a frame of kind {kind}")
    if (of, writer) != (journal, incarnation):
        raise Refused(f"the frame belongs to journal {of:016x}, incarnation {writer}")
    return Frame(kind, sequence, count, body, chain, header[:CRC_AT])


def chained(frames: list[Frame], journal: int, incarnation: int) -> list[Frame]:
    """All frames of a strand, if they are in order, and each one follows the one before."""
    chain = hash128(struct.pack("<4sQI", MAGIC, journal, incarnation))
    for number, frame in enumerate(frames):
        here = f"incarnation {incarnation}: frame {frame.sequence}"
        if frame.sequence != number:
            raise Refused(f"{here} stands where frame {number} belongs")
        if hash128(chain + frame.before_crc + frame.body) != frame.chain:
            raise Refused(f"{here} does not continue the chain")
        if number and frames[number - 1].kind == SEAL:
            raise Refused(f"{here} follows a seal")
        chain = frame.chain
    return frames


def head_of(ends: dict[int, tuple[int, bytes]]) -> str:
    """One hash over all strands: {incarnation: (number of frames, chain of the last one)}."""
    parts = [struct.pack("<IQ16s", n, *ends[n]) for n in sorted(ends)]
    return hash128(b"".join(parts)).hex()


# --- 2. files -------------------------------------------------------------------------------------
#
# An archive has one file for each strand, and nothing in it may be other than it was written. A
# directory may be that of a journal in use: its strands lie in several segments, and where a writer
# died, or its disk failed, the last frame may be torn.

BLOCK = 512
SEGMENT = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})\.hpj")
Strands = dict[int, list[Frame]]


def read_journal(path: Path) -> tuple[int, Strands]:
    """The journal's id, and the frames of each strand."""
    if path.is_file():
        return read_archive(path.read_bytes())
    for directory in (path, path / "journal"):
        if (directory / "journal.json").is_file():
            return read_directory(directory)
    raise Refused("neither an archive nor a directory with a journal.json")


def read_label(text: bytes, formats: tuple[int, ...]) -> tuple[int, dict[str, Any]]:
    """The journal's id, and what else its journal.json says."""
    try:
        label = json.loads(text)
        if label["format"] not in formats:
            raise Refused(f"journal.json: format {label['format']}; known are {formats}")
        if not re.fullmatch("[0-9a-f]{16}", label["id"]):
            raise Refused("journal.json: the id is not 16 hexadecimal digits")
        return int(label["id"], 16), label
    except (ValueError, KeyError, TypeError):
        raise Refused("journal.json cannot be read") from None


def header_of(name: bytes, size: int) -> bytes:
    """The block before a file of an archive, as POSIX has it: nothing but name and size."""
    digits = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    before = name.ljust(100, b"\0") + b"0000600\0" + b"0000000\0" * 2 + digits + b"0" * 11 + b"\0"
    after = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
    total = sum(before) + 8 * ord(" ") + sum(after)
    return before + b"%06o\0 " % total + after


def members(data: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of a tar in which every byte is as `hairpin journal export` writes it."""
    found: list[tuple[str, bytes]] = []
    at = 0
    while data[at : at + BLOCK] != bytes(BLOCK):
        block = data[at : at + BLOCK]
        name, digits = block[:100].rstrip(b"\0"), block[124:135]
        if block[124:125] == b"\x80":
            size = int.from_bytes(block[125:136], "big")
        else:
            size = int(digits, 8) if re.fullmatch(b"[0-7]{11}", digits) else 0
        if block != header_of(name, size):
            raise Refused(f"archive at byte {at}: no header of a file, or it says too much")
        begin, end = at + BLOCK, at + BLOCK + size
        at = end + -end % BLOCK
        if data[end:at] != bytes(at - end):
            raise Refused(f"archive at byte {end}: it ends early, or holds more than files")
        found.append((name.decode("latin-1"), data[begin:end]))
    if data[at:] != bytes(2 * BLOCK):
        raise Refused(f"archive at byte {at}: it does not end as it was written")
    return found


def read_archive(data: bytes) -> tuple[int, Strands]:
    files = members(data)
    name, text = files[0] if files else ("", b"")
    if name != "journal/journal.json":
        raise Refused("the archive does not begin with journal/journal.json")
    journal, _ = read_label(text, (1,))
    if text != b'{"format":1,"id":"%016x"}' % journal:
        raise Refused("journal.json is not as it was written")
    strands: Strands = {}
    for name, content in files[1:]:
        match = SEGMENT.fullmatch(name[len("journal/") :])
        incarnation = int(match[1], 16) if match else 0
        if name != f"journal/{incarnation:08x}-0000.hpj" or incarnation <= max(strands, default=0):
            raise Refused(f"the archive holds {name}, which does not belong there")
        frames = parse(content, name, journal, incarnation, torn=False)
        strands[incarnation] = chained(frames, journal, incarnation)
    return journal, strands


def read_directory(directory: Path) -> tuple[int, Strands]:
    journal, label = read_label((directory / "journal.json").read_bytes(), (1, 2))
    segments: dict[int, dict[int, Path]] = {}
    for path in sorted(directory.iterdir()):
        match = SEGMENT.fullmatch(path.name)
        if match:
            segments.setdefault(int(match[1], 16), {})[int(match[2], 16)] = path
    strands: Strands = {}
    for incarnation, paths in segments.items():
        if sorted(paths) != list(range(len(paths))):
            raise Refused(f"incarnation {incarnation}: a segment is missing")
        frames: list[Frame] = []
        for _, path in sorted(paths.items()):
            more = parse(path.read_bytes(), path.name, journal, incarnation, torn=True)
            # A segment that a writer left after a failure may end with frames that nobody was
            # promised; the next one begins with their numbers again, and those count.
            while more and frames and frames[-1].sequence >= more[0].sequence:
                frames.pop()
            frames += more
        strands[incarnation] = chained(frames, journal, incarnation)
    if "replica" in label:  # a received copy, which ends where its snapshot does
        ends = label["replica"]["strands"].items()
        strands = {int(n): strands.get(int(n), [])[:count] for n, count in ends}
    return journal, strands


def parse(data: bytes, name: str, journal: int, incarnation: int, torn: bool) -> list[Frame]:
    """All frames of a file. `torn`: its end may be that of a writer who died."""
    frames: list[Frame] = []
    at = 0
    while at < len(data):
        try:
            frame = read_frame(data, at, journal, incarnation)
        except Refused as why:
            if torn and no_frame_after(data, at, journal, incarnation):
                break
            raise Refused(f"{name} at byte {at}, after {len(frames)} frames: {why}") from None
        frames.append(frame)
        at += HEADER.size + len(frame.body)
    return frames


def no_frame_after(data: bytes, at: int, journal: int, incarnation: int) -> bool:
    """Is this the end of what was written? Then no intact frame follows, nor more than one."""
    if len(data) - at > HEADER.size + BODY_MAX:
        return False
    at = data.find(MAGIC, at + 1)
    while at >= 0:
        try:
            read_frame(data, at, journal, incarnation)
            return False
        except Refused:
            at = data.find(MAGIC, at + 1)
    return True


# --- 3. the journal -------------------------------------------------------------------------------
#
# Strands vouch for each other. The director's strand says where the strands of dead writers end,
# and with every result that was told it holds the head over all strands, as far as the result rests
# on them. So a strand that is missing or cut off is found, though what is left of it is sound.


class Record(NamedTuple):
    """A control record, and where it stands."""

    incarnation: int
    sequence: int
    says: dict[str, Any]


def role_of(frames: list[Frame]) -> str | None:
    """As a strand's first frame, its `born`, says it: gate or director."""
    if not frames or frames[0].kind != CONTROL:
        return None
    role = json.loads(frames[0].body).get("role")
    return None if role is None else str(role)


def control_records(strands: Strands) -> list[Record]:
    """Those of directors first, each strand in its order."""
    order = sorted(strands, key=lambda n: (role_of(strands[n]) != "director", n))
    return [
        Record(n, frame.sequence, json.loads(frame.body))
        for n in order
        for frame in strands[n]
        if frame.kind == CONTROL
    ]


def check_whole(strands: Strands, records: list[Record]) -> int:
    """Is everything there that some record speaks of? Returns how many published heads hold."""
    named = set(range(1, max(strands, default=0) + 1))
    heads = 0
    for record in (r.says for r in records):
        if record["type"] == "leased":
            named.add(record["to"])
        elif record["type"] == "fenced":
            n, frames = record["incarnation"], strands.get(record["incarnation"], [])
            end = frames[-1].chain.hex() if frames else record["chain"]
            if (len(frames), end) != (record["frames"], record["chain"]):
                raise Refused(f"incarnation {n} ended after {record['frames']} frames; not now")
        elif record["type"] == "published":
            ends = {}
            for n, count in positions_of(record).items():
                frames = strands.get(n, [])
                if not 0 < count <= len(frames):
                    raise Refused(
                        f"the result of question {record['question'] + 1} rests on {count} frames "
                        f"of incarnation {n}; {len(frames)} are here"
                    )
                ends[n] = (count, frames[count - 1].chain)
            if head_of(ends) != record["head"]:
                raise Refused(f"question {record['question'] + 1}: its published head is another")
            heads += 1
    missing = sorted(named - set(strands))
    if missing:
        raise Refused(f"no strand of incarnation {', '.join(map(str, missing))} is here")
    return heads


def positions_of(record: dict[str, Any]) -> dict[int, int]:
    """How far a published result reads each strand."""
    return {int(n): count for n, count in record["positions"].items()}


# --- 4. counting ----------------------------------------------------------------------------------
#
# Each fan has one word for each question, and the smallest one counts: so the first answer that was
# received counts, and neither the order of the records nor a repetition changes anything.

RECORD = struct.Struct("<IIIBBBB")  # fan, received, elapsed, question, choice, age band, country
RECEIVED_MAX = (1 << 27) - 2
SHORTER_BY = 500_000
COUNTRIES = """
ZZ AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR
BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC
EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK
HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB
LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ
NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU
RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN
TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
""".split()  # noqa: SIM905


class Question:
    """What the records say of one question."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.id: str = asked["id"]
        self.right: int = asked["right"]
        self.multiple: bool = asked["multiple"]
        self.choices = len(asked["choices"])
        masks = range(1, 1 << self.choices)
        self.legal = {mask for mask in masks if self.multiple or mask & (mask - 1) == 0}
        self.opened_ms: int | None = None  # since the epoch
        self.closed = self.void = self.changed = False
        self.reason = ""
        self.told: dict[str, Any] | None = None  # the result that was published last
        self.journalled = 0
        self.words: dict[int, int] = {}  # by fan
        self.reach: dict[int, int] = {}  # frames up to the last with an answer, by incarnation
        self.missing: list[int] = []  # strands that may hold more answers
        self.version = 0

    def is_right(self, choice: int) -> bool:
        return choice == self.right if self.multiple else choice & self.right != 0

    def settle(self) -> None:
        """Closed, and nothing can come any more: a version people may be told."""
        self.version = 1
        if self.told is not None:
            before = positions_of(self.told)
            late = any(frames > before.get(n, 0) for n, frames in self.reach.items())
            if not self.changed:
                self.reason = "late answers" if late else self.told["reason"]
            self.version = self.told["version"] + (late or self.changed)

    @property
    def status(self) -> str:
        if self.void:
            return "void"
        return "final" if self.version else "provisional" if self.closed else "counting"


def elapsed_of(word: int) -> int:
    return (word >> 37) - SHORTER_BY + (word >> 18 & 0x7FFFF)


def choice_of(word: int) -> int:
    return word >> 10 & 0xFF


class Count:
    """The journal as far as `upto` says (incarnation to number of frames), counted."""

    def __init__(self, strands: Strands, upto: dict[int, int]) -> None:
        self.strands = {n: strands[n][:count] for n, count in upto.items()}
        self.records = control_records(self.strands)
        self.show: dict[str, Any] = {}
        self.questions: list[Question] = []
        self.struck: set[int] = set()
        self.ended = {n for n, fs in self.strands.items() if fs and fs[-1].kind == SEAL}
        self.marked: set[tuple[int, int]] = set()  # strand and question: no more answers
        self.unasked: set[int] = set()
        self._show_hash = ""
        self._epoch_ms = 0
        for record in self.records:
            self._control(record)
        if not self.show:
            raise Refused("the journal has no show: its first strand is missing")
        for n, frames in self.strands.items():
            for frame in frames:
                if frame.kind == ANSWERS:
                    self._answers(n, frame)
        self._settle()

    def _control(self, record: Record) -> None:
        says, what = record.says, record.says["type"]
        if what == "armed":
            if says["show_hash"] != self._show_hash:
                self.questions = [Question(asked) for asked in says["show"]["questions"]]
            self.show, self._show_hash = says["show"], says["show_hash"]
            self._epoch_ms = says["epoch_ms"]
        elif what == "marked":
            self.marked.update((record.incarnation, question) for question in says["questions"])
        elif what == "struck":
            self.struck.add(says["fan"])
        elif what == "fenced":
            if len(self.strands.get(says["incarnation"], ())) >= says["frames"]:
                self.ended.add(says["incarnation"])
        elif what in ("opened", "closed", "corrected", "voided", "published"):
            self._step(self.questions[says["question"]], says)
        elif what not in ("born", "leased", "held", "released", "revealed", "announced"):
            raise Refused(f"a record of type {what!r}, which this program does not know")

    def _step(self, question: Question, says: dict[str, Any]) -> None:
        what = says["type"]
        if what == "opened":
            question.opened_ms = says["at_ms"] - self._epoch_ms
        elif what == "published":
            question.told, question.changed = says, False
        else:
            question.closed |= what in ("closed", "voided")
            question.void |= what == "voided"
            if what in ("corrected", "voided"):
                question.reason, question.changed = says["reason"], True
            if what == "corrected":
                question.right = says["right"]

    def _answers(self, incarnation: int, frame: Frame) -> None:
        if len(frame.body) != frame.records * RECORD.size:
            raise Refused(f"frame {frame.sequence} of incarnation {incarnation}: no whole answers")
        allowance, floor = self.show["allowance_ms"], self.show["elapsed_floor_ms"]
        for fan, received, elapsed, index, choice, band, country in RECORD.iter_unpack(frame.body):
            if index >= len(self.questions):
                raise Refused(f"an answer to question {index + 1}, which does not exist")
            question = self.questions[index]
            if choice not in question.legal or band > 2 or country >= len(COUNTRIES):
                raise Refused(f"an answer to question {index + 1} that no gate could have taken")
            question.reach[incarnation] = frame.sequence + 1
            if question.opened_ms is None:
                self.unasked.add(index)
                continue
            question.journalled += 1
            since = min(max(received - question.opened_ms, 0), RECEIVED_MAX)
            took = max(min(max(elapsed, since - allowance), since), floor)
            kept = took - since + SHORTER_BY
            word = since << 37 | kept << 18 | choice << 10 | band << 8 | country
            if word < question.words.get(fan, word + 1):
                question.words[fan] = word

    def _settle(self) -> None:
        """Which questions are final? A gate's strand must say that it is done with them."""
        waited_for = [
            n
            for n in sorted(self.strands)
            if role_of(self.strands[n]) in (None, "gate") and n not in self.ended
        ]
        for index, question in enumerate(self.questions):
            if question.closed and question.opened_ms is not None:
                question.missing = [n for n in waited_for if (n, index) not in self.marked]
                if not question.missing:
                    question.settle()

    def leaderboard(self) -> dict[str, Any]:
        """The first places over all final questions."""
        right: dict[int, int] = {}
        total: dict[int, int] = {}
        origin: dict[int, int] = {}
        for question in self.questions:
            for fan, word in question.words.items() if question.version else ():
                origin[fan] = max(origin.get(fan, 0), word & 0x3FF)
                if not question.void and question.is_right(choice_of(word)):
                    right[fan] = right.get(fan, 0) + 1
                    total[fan] = total.get(fan, 0) + elapsed_of(word) & 0xFFFFFFFF
        able = [fan for fan in right if fan not in self.struck]
        places = self.show["contenders"] + self.show["reserves"]
        draws = self.show["tie_break"] == "draw"
        seed = hash128(self.show["draw_seed"].encode())
        lot = {fan: siphash(fan.to_bytes(7, "little"), seed) if draws else fan for fan in able}
        able.sort(key=lambda fan: (-right[fan], total[fan], lot[fan]))
        scores = [(right[fan], total[fan]) for fan in able]
        leaders = [
            {
                "rank": (place if draws else scores.index(scores[place])) + 1,
                "fan": fan,
                "right": right[fan],
                "total_ms": total[fan],
                "country": COUNTRIES[origin[fan] & 0xFF],
                "age_band": origin[fan] >> 8,
                "tied": 1 if draws else scores.count(scores[place]),
            }
            for place, fan in enumerate(able[:places])
        ]
        last = scores[places - 1 : places]
        more = 0 if draws else sum(1 for score in scores[places:] if [score] == last)
        return {"leaders": leaders, "more": more, "fans": len(origin)}

    def result(self) -> dict[str, Any]:
        """All numbers."""
        questions = [self.counts(index) for index in range(len(self.questions))]
        ends = {n: (len(fs), fs[-1].chain) for n, fs in self.strands.items() if fs}
        return {
            "show": self.show["id"],
            "journalled": sum(q["journalled"] for q in questions),
            "counted": sum(q["answers"] for q in questions),
            "repeats": sum(q["repeats"] for q in questions),
            "questions": questions,
            **self.leaderboard(),
            "head": head_of(ends),
            "strands": len(self.strands),
            "frames": sum(len(frames) for frames in self.strands.values()),
        }

    def counts(self, index: int) -> dict[str, Any]:
        question = self.questions[index]
        choices = [0] * question.choices
        bands = [{"answers": 0, "right": 0} for _ in range(3)]
        countries: dict[str, dict[str, int]] = {}
        for word in question.words.values():
            choice = choice_of(word)
            for bit in range(question.choices):
                choices[bit] += choice >> bit & 1
            country = COUNTRIES[word & 0xFF]
            good = question.is_right(choice)
            for cell in (
                bands[word >> 8 & 3],
                countries.setdefault(country, {"answers": 0, "right": 0}),
            ):
                cell["answers"] += 1
                cell["right"] += good
        answers, right = len(question.words), sum(cell["right"] for cell in bands)
        return {
            "question": index,
            "id": question.id,
            "status": question.status,
            "version": question.version,
            "reason": question.reason,
            "missing": question.missing,
            "journalled": question.journalled,
            "repeats": question.journalled - answers,
            "answers": answers,
            "by_choice": choices,
            "by_age_band": bands,
            "by_country": countries,
            "right": right,
            "wrong": answers - right if question.right else 0,
            "best_country": self.best(countries) if question.right else None,
        }

    def best(self, countries: dict[str, dict[str, int]]) -> dict[str, Any] | None:
        least = max(self.show["best_country_min"], 1)
        able = [
            (-cell["right"] / cell["answers"], -cell["answers"], code)
            for code, cell in countries.items()
            if cell["answers"] >= least and code != "ZZ"
        ]
        if not able:
            return None
        code = min(able)[2]
        return {"country": code, **countries[code]}


def siphash(message: bytes, key: bytes) -> int:
    """SipHash-2-4 of at most seven bytes (Aumasson and Bernstein, 2012): the lot of a draw."""
    every = (1 << 64) - 1
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    block = int.from_bytes(message, "little") | len(message) << 56

    def turned(value: int, bits: int) -> int:
        return (value << bits | value >> 64 - bits) & every

    d ^= block
    for turn in range(6):
        if turn == 2:
            a, c = a ^ block, c ^ 0xFF
        a, c = (a + b) & every, (c + d) & every
        b, d = turned(b, 13) ^ a, turned(d, 16) ^ c
        a = turned(a, 32)
        a, c = (a + d) & every, (c + b) & every
        d, b = turned(d, 21) ^ a, turned(b, 17) ^ c
        c = turned(c, 32)
    return a ^ b ^ c ^ d


# --- 5. the head ----------------------------------------------------------------------------------


def verify(journal: int, strands: Strands, head: str) -> dict[str, Any]:
    """Everything must hold; then find what `head` stands for, and count what it covers."""
    whole = Count(strands, {n: len(frames) for n, frames in strands.items()})
    heads = check_whole(strands, whole.records)
    if whole.unasked:
        raise Refused(f"question {min(whole.unasked) + 1} was answered, but no record opens it")
    found = whole.result()
    whole_head, frames = found["head"], found["frames"]
    told = [q.says for q in whole.records if q.says["type"] == "published"]
    told = [record for record in told if record["head"] == head]
    if head != whole_head:
        if not told:
            raise DoesNotHold(
                f"the journal is sound, but {head} is the head of nothing in it: of no published "
                f"result, nor of all of it, which has {whole_head}"
            )
        found = Count(strands, positions_of(told[0])).result()
    for record in told:
        counted = found["questions"][record["question"]]
        for name in ("version", "answers", "right"):
            if counted[name] != record[name]:
                raise DoesNotHold(
                    f"question {counted['id']} was published with {name} {record[name]}; "
                    f"the frames that it rests on give {counted[name]}"
                )
    results = [
        {"question": found["questions"][record["question"]]["id"]}
        | {name: record[name] for name in ("version", "answers", "right", "at_ms")}
        for record in told
    ]
    return {
        "journal": f"{journal:016x}",
        "head": head,
        "whole": head == whole_head,
        "results": results,
        "recount": {**found, "heads_verified": heads},
        "frames_after": frames - found["frames"],
    }


# --- 6. telling it --------------------------------------------------------------------------------


def tell(found: dict[str, Any]) -> None:
    count = found["recount"]
    columns = ("id", "status", "version", "journalled", "repeats", "answers", "right", "wrong")
    rows = [[str(q[name]) for name in columns] for q in count["questions"]]
    widths = [max(map(len, column)) for column in zip(columns, *rows)]  # noqa: B905
    for row in [list(columns), *rows]:
        print("  ".join(map(str.rjust, row, widths)))
    print(f"\njournalled {count['journalled']} = counted {count['counted']}", end="")
    print(f" + repeats {count['repeats']}; {count['fans']} fans")
    for one in count["leaders"]:
        print(f"{one['rank']:>4}. fan {one['fan']}: {one['right']} right in {one['total_ms']} ms")
    stands = [f"the result of {r['question']}, version {r['version']}" for r in found["results"]]
    stands += ["the whole journal"] if found["whole"] else []
    print(f"all {count['heads_verified']} published heads hold, and every checksum and chain")
    print(f"holds: {found['head']} is the head of {', and of '.join(stands)}")
    if found["frames_after"]:
        print(f"{found['frames_after']} frames came later; this head says nothing of them")


def check(place: Path, head: str) -> dict[str, Any]:
    """What `head` covers of the journal that lies there. Raises Refused, DoesNotHold, OSError."""
    try:
        return verify(*read_journal(place), head)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refused(f"a record is not what docs/formats.md says: {error!r}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify and recount the journal of a show.")
    parser.add_argument("place", type=Path, metavar="EXPORT_OR_DIRECTORY")
    parser.add_argument("--head", required=True, metavar="HASH", help="as it was published")
    parser.add_argument("--json", action="store_true", help="print for machines")
    asked = parser.parse_args()
    head = "".join(asked.head.split()).lower()  # walls show the digits in groups
    if not re.fullmatch("[0-9a-f]{32}", head):
        parser.error("a head has 32 hexadecimal digits")
    try:
        found = check(asked.place, head)
    except OSError as error:
        parser.error(str(error))
    except Refused as why:
        print(f"refused: {why}", file=sys.stderr)
        return 5
    except DoesNotHold as why:
        print(f"does not hold: {why}", file=sys.stderr)
        return 7
    print(json.dumps(found, indent=2)) if asked.json else tell(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
