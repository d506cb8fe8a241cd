from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from hairpin.rehearsal import children
from hairpin.rehearsal.children import Child, ChildEnded, explained

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(99)
"""


async def python(code: str, log: Path) -> Child:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    return Child("child", process, log)


async def test_a_command_that_fails_says_why_in_its_own_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = await children.start("check", ["check", "/no/such/show.toml"], log)
    with pytest.raises(ChildEnded, match=r"/no/such/show\.toml") as found:
        await child.must_live()
    assert found.value.exit_code == 2
    assert not found.value.message.startswith("hairpin:")


async def test_output_can_be_read_line_by_line(tmp_path: Path) -> None:
    child = await children.start("version", ["--version"], tmp_path / "log", piped=True)
    lines = [line async for line in child.lines()]
    assert lines[0].startswith(b"hairpin ")
    assert await child.ended() == 0


async def test_a_child_that_ignores_the_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "END_S", 0.2)
    child = await python(STUBBORN, tmp_path / "log")
    assert await anext(child.lines()) == b"up\n"
    await child.stop()
    assert await child.ended() == -9
    await child.stop()


async def test_a_cancellation_waits_for_the_end(tmp_path: Path) -> None:
    child = await python("import time; print('up', flush=True); time.sleep(99)", tmp_path / "log")
    assert await anext(child.lines()) == b"up\n"
    stopping = asyncio.create_task(child.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert child.process.returncode == -15


def test_a_signal_is_named_and_the_log_is_where_to_look(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("phone http://...\nhairpin: older\n")
    error = ChildEnded("node", -9, log)
    assert error.message == "the node ended with signal 9"
    assert str(log) in error.remedy
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("phone\nhairpin: no room\n  Make some.\n", "no room\n  Make some."),
        ("hairpin: first\nhairpin: last\n", "last"),
        ("nothing explained\n", ""),
    ],
)
def test_the_last_explained_error_is_found(tmp_path: Path, text: str, words: str) -> None:
    log = tmp_path / "log"
    assert explained(log) == ""
    log.write_text(text)
    assert explained(log) == words
