"""Before a node starts: whose data it is, whether the show changed, its ports, its images."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest
from disk_night import DiskNight
from small_show import EPOCH_MS, answer, make_question, make_show

from hairpin import messages as m
from hairpin.config import Settings
from hairpin.errors import DataDamaged, YourMistake
from hairpin.node.arming import Grounds, Purpose
from hairpin.node.data import DataDirectory
from hairpin.node.purge import purge_plan
from hairpin.node.run import IMAGE_BYTES_MAX, Wish, arm, listen, load_media
from hairpin.show import Choice, Mode, Show

SHOW = make_show(2)


def wish(night: DiskNight, show: Show = SHOW, **changes: object) -> Wish:
    fields = {
        "show": show,
        "show_path": Path("small.toml"),
        "data": night.directory.parent,
        "grounds": Grounds(Purpose.REHEARSAL),
    }
    return Wish(**(fields | changes))  # type: ignore[arg-type]


def armed_by(night: DiskNight, show: Show = SHOW, **changes: object) -> m.Armed:
    data = DataDirectory(night.directory.parent, night.world)
    return arm(wish(night, show, **changes), data, night.world, Settings())


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    return DiskNight(tmp_path / "journal", SHOW)


# --- arming ---------------------------------------------------------------------------------------


def test_a_new_directory_is_armed_from_now_on(tmp_path: Path, night: DiskNight) -> None:
    data = DataDirectory(tmp_path / "new", night.world)
    fresh = arm(wish(night), data, night.world, Settings())
    assert (fresh.at_ms, fresh.epoch_ms) == (EPOCH_MS, EPOCH_MS)
    assert (fresh.show, fresh.show_hash) == (SHOW, SHOW.hash())
    assert fresh.opens_ms == (EPOCH_MS + 60_000, EPOCH_MS + 120_000)


def test_a_show_that_began_goes_on_as_it_was_armed(night: DiskNight) -> None:
    night.open()
    night.clock.at_ms += 86_400_000
    assert armed_by(night) == night.keeper.book.armed
    assert armed_by(night, start_ms=1, speed=5.0) == night.keeper.book.armed


def test_a_show_that_was_changed_before_it_began_is_armed_anew(night: DiskNight) -> None:
    changed = make_show(3)
    assert armed_by(night, changed).show_hash == changed.hash()


def test_a_show_that_was_changed_after_it_began_is_refused(night: DiskNight) -> None:
    night.open()
    with pytest.raises(YourMistake, match=r"small\.toml was changed after the show in") as told:
        armed_by(night, make_show(2, allowance_ms=1))
    assert "from the console" in told.value.remedy


def test_the_data_of_another_show_is_refused(night: DiskNight) -> None:
    with pytest.raises(YourMistake, match="holds the show 'small', not 'large'") as told:
        armed_by(night, make_show(2, id="large"))
    assert "--data" in told.value.remedy


def test_a_show_whose_records_were_purged_is_over(night: DiskNight) -> None:
    """Fan numbers never restart: a ticket of the first time would be one of the second, too."""
    night.ask(0, [answer(1)], [])
    night.seal()
    plan = purge_plan(night.directory.parent, night.world, True)
    plan.carry_out()
    with pytest.raises(YourMistake, match="were purged") as told:
        armed_by(night)
    assert "new data directory" in told.value.remedy
    assert not night.directory.exists()


def test_a_strand_that_is_missing_is_damage_before_anything_starts(night: DiskNight) -> None:
    (night.directory / "00000001-0000.hpj").unlink()
    with pytest.raises(DataDamaged, match="no file of incarnation 1 is here"):
        armed_by(night)


def test_questions_that_open_by_hand_have_no_time(tmp_path: Path, night: DiskNight) -> None:
    by_hand = make_question(1, opens_after_ms=None)
    show = make_show([by_hand], mode=Mode.HAND)
    data = DataDirectory(tmp_path / "new", night.world)
    assert arm(wish(night, show), data, night.world, Settings()).opens_ms == (None,)


# --- listening ------------------------------------------------------------------------------------


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(YourMistake, match=f"127.0.0.1, port {port}: Address already") as told:
            listen("127.0.0.1", port)
    assert "--port" in told.value.remedy


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(YourMistake, match=r"cannot listen on 192\.0\.2\.1, port 1234"):
        listen("192.0.2.1", 1234)


def test_a_name_that_is_no_address_is_named() -> None:
    with pytest.raises(YourMistake, match="cannot listen on no such host"):
        listen("no such host", 1234)


def test_both_families_are_listened_to() -> None:
    for host in ("127.0.0.1", "::1"):
        with listen(host, 0) as listener:
            assert listener.getsockname()[0] == host


# --- images ---------------------------------------------------------------------------------------


def with_image(path: str) -> Show:
    return make_show([make_question(1, image=path, choices=(Choice({}), Choice({}, path)))])


def test_an_image_is_served_under_an_address_that_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "the-answer-is-two.png").write_bytes(b"\x89PNG")
    media = load_media(with_image("the-answer-is-two.png"), tmp_path)
    assert {name for name, _ in media} == {"the-answer-is-two.png"}
    document = media[0][1]
    assert document.body == b"\x89PNG"
    assert document.content_type == "image/png"
    assert document.path.startswith("/media/")
    assert "answer" not in document.path


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("none.png", None, "No such file"),
        ("notes.txt", b"text", "found text/plain"),
        ("nothing", b"x", "found no image"),
        ("large.png", bytes(IMAGE_BYTES_MAX + 1), f"{IMAGE_BYTES_MAX + 1} bytes"),
    ],
)
def test_what_is_no_image_is_refused_with_its_place(
    tmp_path: Path, name: str, body: bytes | None, found: str
) -> None:
    if body is not None:
        (tmp_path / name).write_bytes(body)
    with pytest.raises(YourMistake, match=found) as told:
        load_media(with_image(name), tmp_path)
    assert "questions[0].image" in told.value.message
    assert name in told.value.message


def test_a_wish_has_defaults_that_stay_on_this_machine() -> None:
    made = msgspec.convert({"show": SHOW, "show_path": Path("x"), "data": Path("y")}, Wish)
    assert (made.host, made.private_host) == ("127.0.0.1", "127.0.0.1")
