"""`hairpin journal export` and what it writes to: a pipe, a terminal, a pipe that breaks."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from disk_night import DiskNight
from small_show import answer

from hairpin.journal.export import survey
from hairpin.journal.exported import ExportedJournal
from hairpin.world import RealDisk

COMMAND = [sys.executable, "-m", "hairpin", "journal", "export"]


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """More than a pipe holds."""
    night = DiskNight(tmp_path / "show" / "journal")
    night.open()
    night.answers(0, [answer(fan) for fan in range(20_000)])
    night.seal()
    return tmp_path / "show"


def test_without_a_file_it_goes_to_stdout_and_the_summary_to_stderr(
    show: Path, tmp_path: Path
) -> None:
    ran = subprocess.run([*COMMAND, str(show), "--json"], capture_output=True, check=True)
    (tmp_path / "piped.tar").write_bytes(ran.stdout)
    exported = ExportedJournal(RealDisk(), tmp_path / "piped.tar")
    found = survey(exported)
    assert json.loads(ran.stderr) == {
        "file": None,
        "journal": f"{exported.id:016x}",
        "strands": 3,
        "frames": found.frames,
        "answers": 20_000,
        "head": found.head,
    }


def test_a_terminal_is_spared(show: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        ran = subprocess.run([*COMMAND, str(show)], stdout=theirs, stderr=subprocess.PIPE)
    finally:
        os.close(theirs)
        os.close(ours)
    assert ran.returncode == 2
    assert b"an export is no text for a terminal" in ran.stderr


def test_a_pipe_that_breaks_is_told_in_one_sentence(show: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(show), "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        told = running.stderr.read()
    assert running.returncode == 4
    assert b"cannot write the export to stdout: Broken pipe" in told
    assert b"Exception ignored" not in told
    assert b"Traceback" not in told
