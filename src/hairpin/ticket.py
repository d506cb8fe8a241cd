"""Tickets and claim codes: a number with a signature, and no name.

A ticket is 15 bytes: fan number u32 LE, age band u8, country u8, key number u8, and the 8-byte
SipHash-2-4 tag of those seven bytes, written as 20 base64url characters. A claim code is the tag
of fan number, age band, country and a zero byte under a second key, 16 hex characters; it stays on
the phone.

SipHash: J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.kernel import compiled, inlined

U = np.uint64
Bytes = npt.NDArray[np.uint8]

TICKET_CHARS = 20
TICKET_BYTES = 15
CLAIM_CHARS = 16
KEY_BYTES = 16
FAN_MAX = 0xFFFF_FFFE

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ENCODE: Bytes = np.frombuffer(_ALPHABET, np.uint8).copy()
HEX_DIGITS: Bytes = np.frombuffer(b"0123456789abcdef", np.uint8).copy()
DECODE: Bytes = np.full(256, 255, np.uint8)
DECODE[ENCODE] = np.arange(64, dtype=np.uint8)


class TicketKey(msgspec.Struct, frozen=True):
    """The keys of one show. `repr` does not show them, so no log can."""

    number: int
    ticket: bytes
    claim: bytes

    def __repr__(self) -> str:
        return f"TicketKey(number={self.number})"

    def words(self) -> npt.NDArray[np.uint64]:
        """Both halves of the ticket key, u64."""
        return np.frombuffer(self.ticket, "<u8").astype(np.uint64)

    def claim_words(self) -> npt.NDArray[np.uint64]:
        """Both halves of the claim key, u64."""
        return np.frombuffer(self.claim, "<u8").astype(np.uint64)


class Ticket(msgspec.Struct, frozen=True):
    fan: int
    age_band: int
    country: int


@inlined
def _rotl(x: U, bits: U) -> U:
    return (x << bits) | (x >> (U(64) - bits))


@compiled
def siphash7(message: U, k0: U, k1: U) -> U:
    """SipHash-2-4 of the seven bytes in the low 56 bits of `message`."""
    v0 = k0 ^ U(0x736F6D6570736575)
    v1 = k1 ^ U(0x646F72616E646F6D)
    v2 = k0 ^ U(0x6C7967656E657261)
    v3 = k1 ^ U(0x7465646279746573)
    block = message | (U(7) << U(56))
    v3 ^= block
    for turn in range(6):
        if turn == 2:
            v0 ^= block
            v2 ^= U(0xFF)
        v0 = v0 + v1
        v1 = _rotl(v1, U(13)) ^ v0
        v0 = _rotl(v0, U(32))
        v2 = v2 + v3
        v3 = _rotl(v3, U(16)) ^ v2
        v0 = v0 + v3
        v3 = _rotl(v3, U(21)) ^ v0
        v2 = v2 + v1
        v1 = _rotl(v1, U(17)) ^ v2
        v2 = _rotl(v2, U(32))
    return v0 ^ v1 ^ v2 ^ v3


@compiled
def read_ticket(text: Bytes, at: int, decode: Bytes, k0: U, k1: U) -> tuple[U, np.bool]:
    """Decode the 20 characters at `at`; returns the message and whether its tag holds."""
    message = U(0)
    tag = U(0)
    bad = np.uint8(0)
    byte = 0
    for group in range(5):
        start = at + 4 * group
        a = decode[text[start]]
        b = decode[text[start + 1]]
        c = decode[text[start + 2]]
        d = decode[text[start + 3]]
        bad |= a | b | c | d
        word = (U(a) << U(18)) | (U(b) << U(12)) | (U(c) << U(6)) | U(d)
        for shift in (16, 8, 0):
            value = (word >> U(shift)) & U(255)
            if byte < 7:
                message |= value << U(8 * byte)
            else:
                tag |= value << U(8 * (byte - 7))
            byte += 1
    return message, (bad < 64) & (siphash7(message, k0, k1) == tag)


@compiled
def write_tickets(
    fans: npt.NDArray[np.uint32],
    tails: npt.NDArray[np.uint64],
    encode: Bytes,
    k0: U,
    k1: U,
    out: Bytes,
) -> None:
    """Write 20 characters per fan to `out`, shape (n, 20).

    A tail is age band | country << 8 | key number << 16.
    """
    raw = np.zeros(TICKET_BYTES, np.uint8)
    for i in range(len(fans)):
        message = U(fans[i]) | (tails[i] << U(32))
        tag = siphash7(message, k0, k1)
        for j in range(7):
            raw[j] = (message >> U(8 * j)) & U(255)
        for j in range(8):
            raw[7 + j] = (tag >> U(8 * j)) & U(255)
        for group in range(5):
            a = U(raw[3 * group])
            b = U(raw[3 * group + 1])
            c = U(raw[3 * group + 2])
            word = (a << U(16)) | (b << U(8)) | c
            for j in range(4):
                out[i, 4 * group + j] = encode[(word >> U(18 - 6 * j)) & U(63)]


def issue(fan: int, age_band: int, country: int, key: TicketKey) -> str:
    """One ticket as text."""
    return issue_many([fan], [(age_band, country)], key)[0]


def issue_many(
    fans: Sequence[int], origins: Sequence[tuple[int, int]], key: TicketKey
) -> list[str]:
    """Tickets for fans, each with its (age band, country)."""
    out = np.zeros((len(fans), TICKET_CHARS), np.uint8)
    tails = [band | country << 8 | key.number << 16 for band, country in origins]
    k0, k1 = key.words()
    numbers = np.array(fans, np.uint32)
    write_tickets(numbers, np.array(tails, np.uint64), ENCODE, k0, k1, out)
    text = out.tobytes().decode("ascii")
    return [text[i : i + TICKET_CHARS] for i in range(0, len(text), TICKET_CHARS)]


def verify(text: str, key: TicketKey) -> Ticket | None:
    """The ticket, or None if it is not one of this show."""
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        return None
    if len(raw) != TICKET_CHARS:
        return None
    k0, k1 = key.words()
    message, good = read_ticket(np.frombuffer(raw, np.uint8), 0, DECODE, k0, k1)
    value = int(message)
    if not good or value >> 48 & 0xFF != key.number:
        return None
    return Ticket(value & 0xFFFFFFFF, value >> 32 & 0xFF, value >> 40 & 0xFF)


@compiled
def write_claims(
    fans: npt.NDArray[np.uint32],
    tails: npt.NDArray[np.uint64],
    digits: Bytes,
    k0: U,
    k1: U,
    out: Bytes,
) -> None:
    """Write the claim code of each fan to `out`, shape (n, 16). A tail is age band | country << 8.

    `digits`: the characters of the hex digits.
    """
    for i in range(len(fans)):
        code = siphash7(U(fans[i]) | (tails[i] << U(32)), k0, k1)
        for j in range(CLAIM_CHARS):
            out[i, j] = digits[(code >> U(60 - 4 * j)) & U(15)]


def claim_code(key: bytes, fan: int, age_band: int, country: int) -> str:
    """The claim code of a fan under the claim key: 16 hex characters."""
    k0, k1 = np.frombuffer(key, "<u8").astype(np.uint64)
    message = U(fan | age_band << 32 | country << 40)
    return f"{int(siphash7(message, k0, k1)):016x}"


def claim_code_holds(code: str, key: bytes, fan: int, age_band: int, country: int) -> bool:
    expected = claim_code(key, fan, age_band, country)
    return hmac.compare_digest(code.encode("utf-8", "replace"), expected.encode("ascii"))
