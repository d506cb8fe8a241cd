"""What arms a show, what does not, and what the journal keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from disk_night import DiskNight
from rehearsed import FANS, QUESTIONS, STARTED_MS, findings
from small_show import make_question, make_show

from hairpin import messages as m
from hairpin.config import Settings
from hairpin.errors import DataDamaged, YourMistake
from hairpin.frame import Kind
from hairpin.journal import encode_control
from hairpin.node import arming_facts
from hairpin.node.arming import (
    REASON_MAX,
    Grounds,
    Purpose,
    Refusal,
    certificates_of,
    read_certificate,
)
from hairpin.node.arming_facts import FREE, code_hash, configuration, this_machine
from hairpin.node.arming_papers import Papers, issue
from hairpin.node.data import DataDirectory
from hairpin.node.run import Wish, arm
from hairpin.show import Show
from hairpin.tally.recount import Recounter
from hairpin.world import real_world

SHOW = make_show(QUESTIONS, audience_low=1_000, audience_high=FANS)
SETTINGS = Settings()
WORLD = real_world()


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "home"))


class Producer:
    """Rehearses and arms one show file, each night in a data directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.show_path = directory / "small.toml"
        self.nights = 0

    def rehearse(self, show: Show = SHOW, at_ms: int = STARTED_MS, **found: Any) -> Papers:
        night = DiskNight(self.directory / f"clock-{at_ms}" / "journal")
        night.clock.at_ms = at_ms
        world = msgspec.structs.replace(WORLD, clock=night.clock)
        in_force = configuration(SETTINGS, None)
        return issue(show, self.show_path, in_force, findings(**found), world)

    def arm(
        self,
        show: Show = SHOW,
        settings: Settings = SETTINGS,
        data: Path | None = None,
        tally: str | None = None,
        **grounds: Any,
    ) -> m.Permission:
        self.nights += 1
        directory = DataDirectory(data or self.directory / f"night-{self.nights}", WORLD)
        directory.path.mkdir(exist_ok=True)
        wish = Wish(show, self.show_path, directory.path, grounds=Grounds(**grounds), tally=tally)
        permission = arm(wish, directory, WORLD, settings).permission
        assert permission is not None
        return permission


@pytest.fixture
def producer(tmp_path: Path) -> Producer:
    return Producer(tmp_path)


def told(refusal: pytest.ExceptionInfo[Refusal]) -> str:
    return refusal.value.in_short()


# --- with a certificate ---------------------------------------------------------------------------


def test_a_rehearsed_show_is_armed_by_its_certificate(producer: Producer) -> None:
    papers = producer.rehearse()
    certificate = papers.signed.certificate
    assert producer.arm() == m.Permission(
        "certificate", certificate=certificate.id, certified_ms=STARTED_MS
    )
    assert papers.certificate_path.parent == producer.directory / "certificates"
    assert papers.page_path.read_text().startswith("<!doctype html>")


def test_a_corrected_typo_does_not_un_arm(producer: Producer) -> None:
    producer.rehearse()
    corrected = make_show(
        [make_question(1, text={"en": "Corrected?"}, right=0b10), *SHOW.questions[1:]],
        audience_low=1_000,
        audience_high=FANS,
    )
    assert producer.arm(corrected).grounds == "certificate"


def test_who_may_join_does_not_un_arm(producer: Producer) -> None:
    producer.rehearse()
    assert set(Settings.__struct_fields__) >= FREE
    others = Settings(join_allow=("10.0.0.0/8",), trusted_proxies=("127.0.0.1",), join_burst=1)
    assert producer.arm(settings=others).grounds == "certificate"


def test_the_newest_certificate_that_matches_is_taken(producer: Producer) -> None:
    older = producer.rehearse(at_ms=STARTED_MS)
    producer.rehearse(make_show(5), at_ms=STARTED_MS + 60_000)
    assert len(certificates_of("small", producer.show_path)) == 2
    assert producer.arm().certificate == older.signed.certificate.id
    newer = producer.rehearse(at_ms=STARTED_MS + 120_000)
    assert producer.arm().certificate == newer.signed.certificate.id


def test_a_newer_no_go_counts_more_than_an_older_go(producer: Producer) -> None:
    producer.rehearse()
    producer.rehearse(at_ms=STARTED_MS + 60_000, wall_lag_p99_ms=4_000.0)
    with pytest.raises(Refusal, match="says no-go") as refusal:
        producer.arm()
    assert "wall: found 4,000 ms old (p99); allowed: at most 1,000 ms" in told(refusal)
    assert ".html says what would lift it" in refusal.value.remedy


def test_a_certificate_can_be_named(producer: Producer) -> None:
    papers = producer.rehearse()
    moved = producer.directory / "elsewhere.json"
    papers.certificate_path.rename(moved)
    with pytest.raises(Refusal, match="has no certificate in"):
        producer.arm()
    assert producer.arm(certificate=moved).certificate == papers.signed.certificate.id


# --- refused --------------------------------------------------------------------------------------


def test_without_a_certificate_nothing_is_armed(producer: Producer) -> None:
    with pytest.raises(Refusal, match="the show 'small' has no certificate") as refusal:
        producer.arm()
    assert f"hairpin rehearse {producer.show_path} --fans {FANS}" in refusal.value.remedy
    assert "--override REASON" in refusal.value.remedy


def test_another_schedule_un_arms(producer: Producer) -> None:
    producer.rehearse()
    longer = [make_question(1), make_question(2, duration_ms=60_000), make_question(3)]
    with pytest.raises(Refusal, match="does not match any more") as refusal:
        producer.arm(make_show(longer, audience_low=1_000, audience_high=FANS))
    expected = "question 2, duration_ms: found 60,000; allowed: 20,000, as rehearsed"
    assert expected in told(refusal)


def test_another_audience_un_arms(producer: Producer) -> None:
    producer.rehearse()
    with pytest.raises(Refusal) as refusal:
        producer.arm(make_show(QUESTIONS, audience_low=1_000, audience_high=FANS + 1))
    assert "audience.high: found 10,001; allowed: 10,000, as rehearsed" in told(refusal)


def test_another_configuration_un_arms(producer: Producer) -> None:
    producer.rehearse()
    with pytest.raises(Refusal) as refusal:
        producer.arm(settings=Settings(gates=4))
    assert "setting gates: found 4; allowed: 2, as rehearsed" in told(refusal)
    with pytest.raises(Refusal, match="does not match") as refusal:
        producer.arm(tally="memcached://127.0.0.1:11211")
    assert "setting tally: found 'memcached'; allowed: 'exact'" in told(refusal)


@pytest.mark.parametrize("what", ["version", "code"])
def test_another_version_un_arms(
    producer: Producer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    producer.rehearse()
    if what == "version":
        monkeypatch.setattr(arming_facts, "__version__", "9.9.9")
    else:
        monkeypatch.setattr(arming_facts, "code_hash", lambda: "ab" * 16)
    with pytest.raises(Refusal) as refusal:
        producer.arm()
    assert "version: found " in told(refusal)


def test_a_touched_certificate_is_refused(producer: Producer) -> None:
    papers = producer.rehearse(wall_lag_p99_ms=4_000.0)
    data = papers.certificate_path.read_bytes()
    papers.certificate_path.write_bytes(data.replace(b'"go": false', b'"go": true'))
    with pytest.raises(Refusal, match="the signature does not belong to this content"):
        producer.arm()
    with pytest.raises(DataDamaged):
        read_certificate(papers.certificate_path)


def test_the_certificate_of_another_installation_is_refused(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.rehearse()
    monkeypatch.setenv("HAIRPIN_HOME", str(producer.directory / "another"))
    with pytest.raises(Refusal, match="signed by another installation"):
        producer.arm()


def test_the_certificate_of_another_show_is_refused(producer: Producer) -> None:
    papers = producer.rehearse(make_show(QUESTIONS, id="large"))
    assert not certificates_of("small", producer.show_path)
    with pytest.raises(Refusal, match="of the show 'large', not of 'small'"):
        producer.arm(certificate=papers.certificate_path)


# --- overridden -----------------------------------------------------------------------------------


def test_an_override_is_kept_with_what_it_went_over(producer: Producer) -> None:
    producer.rehearse()
    permission = producer.arm(settings=Settings(gates=4), override=" the sponsor insists ")
    assert (permission.grounds, permission.reason) == ("override", "the sponsor insists")
    assert "setting gates: found 4; allowed: 2" in permission.lacking


def test_an_override_is_not_needed_where_a_certificate_holds(producer: Producer) -> None:
    producer.rehearse()
    assert producer.arm(override="to be sure").grounds == "certificate"


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\x1b[31m", "x" * (REASON_MAX + 1)])
def test_an_override_needs_a_reason_that_can_be_kept(producer: Producer, reason: str) -> None:
    with pytest.raises(YourMistake, match="--override: found"):
        producer.arm(override=reason)


def test_a_recount_says_on_what_grounds(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal", SHOW)
    permission = m.Permission("override", reason="no time", lacking="no certificate")
    armed = night.keeper.book.armed
    assert armed is not None
    again = msgspec.structs.replace(armed, at_ms=armed.at_ms + 1, permission=permission)
    night.director.commit(Kind.CONTROL, encode_control(again), 1)
    assert Recounter(night.journal).run().permission == permission


# --- other purposes, and going on -----------------------------------------------------------------


def test_rehearsals_and_demos_need_nothing_and_are_named(producer: Producer) -> None:
    assert producer.arm(purpose=Purpose.REHEARSAL) == m.Permission("rehearsal")
    assert producer.arm(purpose=Purpose.DEMO) == m.Permission("demo")


def armed_as(tmp_path: Path, permission: m.Permission | None, begun: bool = False) -> Path:
    """A data directory where this happened before."""
    night = DiskNight(tmp_path / "before" / "journal", SHOW)
    armed = night.keeper.book.armed
    assert armed is not None
    night.control(msgspec.structs.replace(armed, at_ms=armed.at_ms + 1, permission=permission))
    if begun:
        night.open()
    return tmp_path / "before"


@pytest.mark.parametrize("permission", [None, m.Permission("override", reason="no time")])
def test_what_began_goes_on_without_being_asked(
    producer: Producer, tmp_path: Path, permission: m.Permission | None
) -> None:
    data = armed_as(tmp_path, permission, begun=True)
    directory = DataDirectory(data, WORLD)
    wish = Wish(SHOW, producer.show_path, data)
    assert arm(wish, directory, WORLD, Settings(gates=7)).permission == permission


def test_before_it_begins_the_same_show_stays_armed(producer: Producer, tmp_path: Path) -> None:
    """The machine was restarted an hour before the night: nobody types the reason again."""
    permission = m.Permission("override", reason="no time")
    data = armed_as(tmp_path, permission)
    assert producer.arm(data=data) == permission
    with pytest.raises(Refusal):
        producer.arm(make_show(QUESTIONS, audience_low=1_000, audience_high=FANS * 2), data=data)


def test_a_rehearsal_does_not_become_a_night_for_people(producer: Producer, tmp_path: Path) -> None:
    data = armed_as(tmp_path, m.Permission("rehearsal"))
    with pytest.raises(Refusal):
        producer.arm(data=data)


# --- facts of this installation -------------------------------------------------------------------


def test_the_code_has_one_hash_and_the_machine_a_name() -> None:
    assert code_hash() == code_hash()
    assert len(code_hash()) == 32
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory_bytes > 1 << 20
    assert all((machine.host, machine.cpu, machine.kernel, machine.python))


def test_a_new_setting_counts_until_somebody_says_that_it_does_not() -> None:
    named = configuration(SETTINGS, "memcached://10.0.0.1:11211")
    assert set(named) == set(Settings.__struct_fields__) - FREE | {"tally"}
    assert named["tally"] == "memcached", "the engine counts, not its address"
