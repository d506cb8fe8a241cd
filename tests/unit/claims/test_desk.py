"""The claims desk: who may claim, what is kept, and who moves up."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hairpin.claims.contenders import UNDECIDED_KEPT_MS
from hairpin.claims.desk import WRONG_CODES_MAX, ClaimsDesk
from hairpin.errors import DataDamaged, EngineDown
from hairpin.messages import Announced, AnswerClocks, ClaimRequest, Leader, Winner
from hairpin.order import IllegalStep
from hairpin.ticket import claim_code
from hairpin.world import RealDisk, World, real_world

KEY = bytes(range(16))
AT = 1_795_000_000_000
WINDOW = 600_000
DEADLINE = AT + WINDOW
ANNOUNCED = Announced(AT, DEADLINE, fans=(11, 22), reserves=(33, 44))
RANKS = {11: 1, 22: 2, 33: 3, 44: 4}


class FullDisk(RealDisk):
    full = False

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().replace(path, data, mode)


def world(disk: RealDisk | None = None) -> World:
    return real_world(disk=disk)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "winners.json"


@pytest.fixture
def desk(path: Path) -> ClaimsDesk:
    desk = ClaimsDesk(world(), path, KEY)
    desk.announce(ANNOUNCED, RANKS)
    return desk


def request(fan: int = 11, name: str = "Ana", **changes: object) -> ClaimRequest:
    fields: dict[str, object] = {
        "fan": fan,
        "age_band": 1,
        "country": 7,
        "code": claim_code(KEY, fan, 1, 7),
        "name": name,
        "consent": True,
    }
    return ClaimRequest(**(fields | changes))  # type: ignore[arg-type]


def claim(desk: ClaimsDesk, fan: int, name: str = "Ana", now_ms: int = AT + 1) -> int:
    return desk.claim(request(fan, name), now_ms).status


def status_of(desk: ClaimsDesk, fan: int) -> str:
    return next(row.status for row in desk.claims_view([], {}) if row.fan == fan)


def test_before_the_announcement_nobody_may_claim(path: Path) -> None:
    desk = ClaimsDesk(world(), path, KEY)
    assert claim(desk, 11) == 403
    assert (desk.announced(), desk.open_fans(), desk.winners()) == (None, (), [])
    assert desk.expire(DEADLINE + 1) is False
    with pytest.raises(IllegalStep, match="fan 11 is not a contender"):
        desk.approve(11)
    assert not path.exists()


def test_a_contender_claims_and_is_approved(desk: ClaimsDesk) -> None:
    assert claim(desk, 11, "  Zoë\t  Okafor ") == 202
    assert desk.winners() == []
    desk.approve(11)
    assert desk.winners() == [Winner(1, 11, "Zoë Okafor")]


def test_a_repeat_replaces_the_name_until_it_is_approved(desk: ClaimsDesk) -> None:
    claim(desk, 11, "Ana")
    assert claim(desk, 11, "Anna") == 202
    desk.approve(11)
    assert claim(desk, 11, "Anna") == 202
    assert claim(desk, 11, "Somebody") == 410
    assert desk.winners() == [Winner(1, 11, "Anna")]


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"fan": 99}, 403, "not a contender"),
        ({"code": "0" * 16}, 403, "claim code"),
        ({"code": "é"}, 403, "claim code"),
        ({"age_band": 2}, 403, "claim code"),
        ({"consent": False}, 400, "consent"),
        ({"name": " "}, 400, "name"),
        ({"fan": 33, "code": claim_code(KEY, 33, 1, 7)}, 403, "reserve"),
    ],
)
def test_what_is_refused(
    desk: ClaimsDesk, changes: dict[str, object], status: int, says: str
) -> None:
    reply = desk.claim(request(**changes), AT + 1)  # type: ignore[arg-type]
    assert reply.status == status
    assert says in reply.detail
    assert status_of(desk, 11) == "open"


def test_after_the_deadline_it_is_too_late(desk: ClaimsDesk) -> None:
    assert claim(desk, 11, now_ms=DEADLINE) == 202
    assert claim(desk, 22, now_ms=DEADLINE + 1) == 410


def test_wrong_codes_are_turned_away_but_never_lock_the_right_one_out(desk: ClaimsDesk) -> None:
    wrong = request(11, code="f" * 16)
    statuses = [desk.claim(wrong, AT + 1).status for _ in range(WRONG_CODES_MAX + 3)]
    assert statuses == [403] * WRONG_CODES_MAX + [429] * 3
    assert claim(desk, 11) == 202


def test_strike_deletes_the_name_and_a_reserve_moves_up(desk: ClaimsDesk, path: Path) -> None:
    claim(desk, 11, "Cheater")
    desk.approve(11)
    desk.strike(11, AT + 5_000)
    assert desk.winners() == []
    assert "Cheater" not in path.read_text()
    assert desk.open_fans() == (22, 33)
    announced = desk.announced()
    assert announced is not None
    assert announced.deadline_ms == AT + 5_000 + WINDOW
    assert announced.reserves == (44,)
    assert claim(desk, 11) == 403
    assert claim(desk, 33, "Reserve") == 202


def test_strike_is_idempotent_and_ignores_strangers(desk: ClaimsDesk) -> None:
    desk.strike(11, AT)
    desk.strike(11, AT + 1)
    desk.strike(12345, AT)
    assert desk.open_fans() == (22, 33)


def test_approve_needs_a_claim(desk: ClaimsDesk) -> None:
    claim(desk, 22)
    with pytest.raises(IllegalStep, match=r"fan 11 is open: cannot approve; .*claimed: 22"):
        desk.approve(11)
    desk.strike(22, AT)
    with pytest.raises(IllegalStep, match=r"struck.*none yet"):
        desk.approve(22)


def test_who_lets_the_deadline_pass_makes_room(desk: ClaimsDesk) -> None:
    claim(desk, 11)
    assert desk.expire(DEADLINE) is False
    assert desk.expire(DEADLINE + 1) is True
    assert status_of(desk, 22) == "missed"
    assert desk.open_fans() == (11, 33)
    assert claim(desk, 22, now_ms=DEADLINE + 2) == 410
    assert claim(desk, 33, now_ms=DEADLINE + 2) == 202
    assert desk.expire(DEADLINE + 2) is False


def test_reserves_run_out(desk: ClaimsDesk) -> None:
    now_ms = DEADLINE + 1
    for _ in range(5):
        desk.expire(now_ms)
        now_ms += WINDOW + 1
    assert desk.open_fans() == ()
    assert {row.status for row in desk.claims_view([], {})} == {"missed"}


def test_a_desk_that_was_closed_long_after_the_deadline_asks_nobody_anew(desk: ClaimsDesk) -> None:
    claim(desk, 11)
    assert desk.expire(DEADLINE + WINDOW + 1) is True
    assert desk.open_fans() == (11,)


def test_an_undecided_name_is_deleted_after_a_day(desk: ClaimsDesk, path: Path) -> None:
    claim(desk, 11, "Undecided")
    claim(desk, 22, "Chosen")
    desk.approve(22)
    desk.expire(DEADLINE + UNDECIDED_KEPT_MS)
    assert "Undecided" in path.read_text()
    desk.expire(DEADLINE + UNDECIDED_KEPT_MS + 1)
    assert "Undecided" not in path.read_text()
    assert desk.winners() == [Winner(2, 22, "Chosen")]


def test_a_restart_forgets_nothing(desk: ClaimsDesk, path: Path) -> None:
    claim(desk, 11, "Ana")
    desk.approve(11)
    desk.strike(22, AT + 1)
    again = ClaimsDesk(world(), path, KEY)
    again.announce(ANNOUNCED, {})
    again.strike(22, AT + 1)
    assert again.winners() == [Winner(1, 11, "Ana")]
    assert again.announced() == desk.announced()


def test_a_replay_without_the_file_gives_the_same_places(desk: ClaimsDesk, path: Path) -> None:
    desk.strike(22, AT + 1)
    path.unlink()
    again = ClaimsDesk(world(), path, KEY)
    again.announce(ANNOUNCED, RANKS)
    again.strike(22, AT + 1)
    assert again.announced() == desk.announced()


def test_a_new_announcement_keeps_claims_of_its_fans_and_drops_the_others(
    desk: ClaimsDesk, path: Path
) -> None:
    claim(desk, 11, "Kept")
    claim(desk, 22, "Dropped")
    desk.announce(Announced(AT + 9, DEADLINE + 9, fans=(33, 11), reserves=()), {33: 1, 11: 2})
    assert "Dropped" not in path.read_text()
    assert desk.open_fans() == (33, 11)
    desk.approve(11)
    assert desk.winners() == [Winner(2, 11, "Kept")]
    desk.announce(ANNOUNCED, RANKS)
    assert desk.open_fans() == (33, 11), "an older announcement came back"


def test_winners_stand_by_rank_and_new_ranks_count(desk: ClaimsDesk) -> None:
    for fan in (22, 11):
        claim(desk, fan, f"Fan {fan}")
        desk.approve(fan)
    desk.rerank({22: 1, 11: 2})
    assert [winner.fan for winner in desk.winners()] == [22, 11]


def test_the_file_is_the_owners_alone(desk: ClaimsDesk, path: Path) -> None:
    claim(desk, 11)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_full_disk_takes_no_claim_and_recovers(path: Path) -> None:
    disk = FullDisk()
    desk = ClaimsDesk(world(disk), path, KEY)
    desk.announce(ANNOUNCED, RANKS)
    disk.full = True
    reply = desk.claim(request(11), AT + 1)
    assert reply.status == 503
    assert status_of(desk, 11) == "open"
    with pytest.raises(EngineDown, match="No space left"):
        desk.strike(11, AT)
    disk.full = False
    assert claim(desk, 11) == 202


def test_a_damaged_file_is_named_and_its_content_is_not(path: Path) -> None:
    path.write_text('{"announced": "Ana Secret"}')
    with pytest.raises(DataDamaged) as error:
        ClaimsDesk(world(), path, KEY)
    assert str(path) in error.value.message
    assert "delete it" in error.value.remedy
    assert "Secret" not in str(error.value)
    assert error.value.__suppress_context__


def test_rows_for_the_console_carry_both_clocks(desk: ClaimsDesk) -> None:
    claim(desk, 11, "Ana")
    leaders = [Leader(1, 11, right=7, total_ms=9_100, country="FR", age_band=1, tied=1)]
    clocks = {11: [AnswerClocks(index=0, received_ms=1_500, elapsed_ms=1_300)]}
    first, second = desk.claims_view(leaders, clocks)[:2]
    assert (first.name, first.right, first.total_ms, first.status) == ("Ana", 7, 9_100, "claimed")
    assert first.clocks == (AnswerClocks(0, 1_500, 1_300),)
    assert (second.name, second.clocks) == (None, ())
