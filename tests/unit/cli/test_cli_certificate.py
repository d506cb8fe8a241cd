"""`hairpin certificate`: what it prints, and the exit code that a script relies on."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsed import findings
from typer.testing import CliRunner

from hairpin.cli.certificate import app, grounds_in_words
from hairpin.cli.show import load_show
from hairpin.config import Settings
from hairpin.errors import DataDamaged
from hairpin.messages import Permission
from hairpin.node.arming_facts import configuration
from hairpin.node.arming_papers import Papers, issue
from hairpin.node.run import in_force
from hairpin.world import real_world

SHOW_FILE = Path(__file__).parents[3] / "examples" / "first-light.toml"
FANS = 250_000


@pytest.fixture
def papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Papers:
    """First Light, rehearsed with as many fans and questions as it has."""
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "home"))
    show = load_show(SHOW_FILE)
    found = findings(fans=FANS, questions=len(show.questions), window_s=12.0)
    used = configuration(in_force(Settings()), None)
    return issue(show, SHOW_FILE, used, found, real_world(), tmp_path / "out")


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_show_says_it_in_a_few_lines(papers: Papers) -> None:
    code, told = run("show", papers.certificate_path)
    assert code == 0
    assert told.startswith("GO  First Light")
    assert papers.signed.certificate.id in told
    assert "290,000 answers/s per core" in told


def test_show_writes_the_page_anew(papers: Papers, tmp_path: Path) -> None:
    run("show", papers.certificate_path, "--html", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == papers.page_path.read_bytes()


def test_check_ends_with_0_for_a_go_that_matches(papers: Papers) -> None:
    code, told = run("check", papers.certificate_path, "--show", SHOW_FILE)
    assert code == 0, told
    assert "of this installation" in told
    assert "matches    yes" in told


def test_check_names_what_differs(papers: Papers) -> None:
    code, told = run("check", papers.certificate_path, "--show", SHOW_FILE, "--gates", 5)
    assert code == 2
    assert "setting gates: certified 2, now 5" in told


def test_check_of_another_installation_is_no_go_here(
    papers: Papers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "elsewhere"))
    code, told = run("check", papers.certificate_path)
    assert code == 2
    assert "of another installation" in told


def test_check_refuses_a_touched_file(papers: Papers) -> None:
    data = papers.certificate_path.read_bytes()
    papers.certificate_path.write_bytes(data.replace(b'"fans": 250000', b'"fans": 999999'))
    with pytest.raises(DataDamaged):
        run("check", papers.certificate_path)


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (None, "by a version that knew no certificates"),
        (Permission("override", reason="no time"), "by override: no time"),
        (Permission("demo"), "as a demo, not for people"),
        (
            Permission("certificate", certificate="5b0c1d9a77e2", certified_ms=1_795_463_101_000),
            "by certificate 5b0c1d9a77e2 of 2026-11-23 19:45 UTC",
        ),
    ],
)
def test_how_a_show_was_armed_in_words(permission: Permission | None, words: str) -> None:
    assert grounds_in_words(permission) == words
