"""SQLite in this process: one durable transaction per answer, or per 1000."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from bench.counting.answers import BATCH, HANDFUL, Batch, Counts, Row, Score
from bench.report import Contender, Guarantees
from hairpin.country import COUNTRIES_MAX
from hairpin.show import AGE_BANDS

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE answers (
    question INTEGER, fan INTEGER, band INTEGER, country INTEGER, won INTEGER, elapsed_ms INTEGER,
    PRIMARY KEY (question, fan)
) WITHOUT ROWID;
CREATE TABLE counts (
    question INTEGER, band INTEGER, country INTEGER, won INTEGER, n INTEGER
);
CREATE TABLE scores (fan INTEGER PRIMARY KEY, won INTEGER, elapsed_ms INTEGER);
"""
_INSERT = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)"
_COUNT = """
INSERT INTO counts SELECT question, band, country, won, count(*) FROM answers
WHERE question = ? GROUP BY band, country, won
"""
_SCORE = """
INSERT INTO scores SELECT fan, 1, elapsed_ms FROM answers WHERE question = ? AND won = 1
ON CONFLICT (fan) DO UPDATE SET won = won + 1, elapsed_ms = elapsed_ms + excluded.elapsed_ms
"""


class Sqlite:
    """`together`: answers in one transaction."""

    forms = frozenset({"rows"})

    def __init__(self, together: int) -> None:
        self._together = together
        self.batch = HANDFUL if together == 1 else BATCH
        self.contender = Contender(
            "SQLite, one per answer" if together == 1 else f"SQLite, {together} at once",
            Guarantees(True, True, True, text="WAL, synchronous=FULL"),
        )
        self._db: sqlite3.Connection | None = None

    @property
    def db(self) -> sqlite3.Connection:
        assert self._db is not None
        return self._db

    def start(self, directory: Path) -> None:
        self._db = sqlite3.connect(directory / "answers.db", isolation_level=None)
        self._db.executescript(_SCHEMA)

    def begin(self, question: int) -> None:
        """Nothing to prepare."""

    def count(self, batch: Batch) -> None:
        db, question = self.db, batch.question
        if self._together == 1:
            for row in batch.rows:
                db.execute(_INSERT, _values(question, row))
            return
        for at in range(0, len(batch.rows), self._together):
            some = batch.rows[at : at + self._together]
            db.execute("BEGIN")
            db.executemany(_INSERT, [_values(question, row) for row in some])
            db.execute("COMMIT")

    def finish(self, question: int) -> None:
        self.db.execute("BEGIN")
        self.db.execute(_COUNT, (question,))
        self.db.execute(_SCORE, (question,))
        self.db.execute("COMMIT")

    def server_cpu_s(self) -> float:
        return 0.0

    def counts(self, question: int) -> Counts:
        found = np.zeros((AGE_BANDS, COUNTRIES_MAX, 2), np.int64)
        wanted = "SELECT band, country, won, n FROM counts WHERE question = ?"
        for band, country, won, n in self.db.execute(wanted, (question,)):
            found[band, country, won] = n
        return found

    def score(self) -> Score:
        right, took = self.db.execute("SELECT sum(won), sum(elapsed_ms) FROM scores").fetchone()
        return Score(right, took)

    def stop(self) -> None:
        if self._db is not None:
            self._db.close()


def _values(question: int, row: Row) -> tuple[int, ...]:
    return (question, row.fan, row.age_band, row.country, row.right, row.elapsed_ms)
