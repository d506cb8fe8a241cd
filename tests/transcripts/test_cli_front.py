"""Golden conversations with `hairpin front`; read front.txt first. How it is written anew stands in
`models/conversation.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from conversation import Conversation
from living_front import write_certificate

from hairpin.cli import front

TRUSTING = """\
trusted_proxies = ["127.0.0.0/8"]
public_url = "https://night.example.org"
join_allow = ["203.0.113.0/24"]
join_per_s = 0.5
"""

app = typer.Typer()
app.add_typer(front.app, name="front")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, and two certificates of which one has an RSA key."""
    (tmp_path / "trusting.toml").write_text(TRUSTING)
    (tmp_path / "untrusting.toml").write_text('join_allow = ["203.0.113.7"]\n')
    write_certificate(tmp_path)
    write_certificate(tmp_path, "old", rsa_key=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


class Front(Conversation):
    """`HERE` is today's directory; `grep` finds the lines that hold a text."""

    def answer(self, line: str) -> str:
        if line.startswith("grep "):
            _, text, name = line.split(" ")
            return "\n".join(part for part in Path(name).read_text().splitlines() if text in part)
        here = str(Path.cwd())
        return super().answer(line.replace("HERE", here)).replace(here, "HERE")


def test_the_conversation_about_the_front_goes_as_written(here: Path) -> None:
    Front(app).check(Path(__file__).with_name("front.txt"))
