"""What both frameworks serve: tickets checked, answers durable before they are acknowledged.

Written with care, so that the frameworks are compared and not mistakes: the signature in C, one
sync for all answers that came in the same turn of the loop, and inline, as a thread of its own
costs more than it saves where the disk is fast.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import struct
import time
from collections import Counter
from pathlib import Path

from siphash24 import siphash24  # type: ignore[import-not-found]

from bench.http.site import CHOICES

RECORD = struct.Struct("<IIIBBBB")
"""As in this product's journal: fan, received, elapsed, question, choice, age band, country."""
_TICKET = struct.Struct("<IBBB8s")


class UsualService:
    def __init__(self, journal: Path, key_number: int, key: bytes) -> None:
        self._key_number = key_number
        self._key = key
        self._file = os.open(journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self._batch: list[bytes] = []
        self._commit: asyncio.Task[None] | None = None
        self._began = time.time()
        self.choice_of: dict[int, int] = {}
        self.counts: Counter[tuple[int, int, int]] = Counter()
        self.elapsed_of: dict[int, int] = {}

    async def take(self, ticket: str, question: int, choice: int, elapsed_ms: int) -> int:
        """Returns the status of the reply, once the answer is durable and counted."""
        fan = self._fan(ticket)
        if fan is None:
            return 401
        if question or not 0 < choice < 1 << CHOICES or choice & choice - 1:
            return 404
        number, band, country = fan
        received_ms = int((time.time() - self._began) * 1000)
        self._batch.append(
            RECORD.pack(number, received_ms, elapsed_ms, question, choice, band, country)
        )
        if self._commit is None:
            self._commit = asyncio.create_task(self._write())
        await self._commit
        if number not in self.choice_of:
            self.choice_of[number] = choice
            self.elapsed_of[number] = min(elapsed_ms, received_ms)
            self.counts[choice, band, country] += 1
        return 204

    def _fan(self, ticket: str) -> tuple[int, int, int] | None:
        try:
            raw = base64.urlsafe_b64decode(ticket)
            number, band, country, key_number, tag = _TICKET.unpack(raw)
        except (binascii.Error, ValueError, struct.error):
            return None
        if key_number != self._key_number or not self._signed(raw, tag):
            return None
        return number, band, country

    def _signed(self, raw: bytes, tag: bytes) -> bool:
        return bool(siphash24(raw[:7], key=self._key).digest() == tag)

    async def _write(self) -> None:
        # Whoever is served in this turn of the loop comes along.
        await asyncio.sleep(0)
        batch, self._batch = self._batch, []
        self._commit = None
        os.write(self._file, b"".join(batch))
        os.fdatasync(self._file)


def from_environment() -> UsualService:
    """The service that `bench.http.usual.contender` asks for."""
    return UsualService(
        Path(os.environ["BENCH_JOURNAL"]),
        int(os.environ["BENCH_KEY_NUMBER"]),
        bytes.fromhex(os.environ["BENCH_KEY"]),
    )
