"""A data directory: made once, for one show, by one node, with its secrets to itself."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from faulty_disk import FaultyDisk

from hairpin.config import Settings
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.node.data import DataDirectory, Keys, NodeFile, open_journal, read_node
from hairpin.world import real_world

NODE = NodeFile(
    pid=1,
    show="small",
    public="http://127.0.0.1:8000",
    phone="http://127.0.0.1:8000",
    private="http://127.0.0.1:8001",
    token="ab" * 24,
    stage=2,
    gates=(3, 4),
)


class FullDisk(FaultyDisk):
    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        raise OSError(28, "No space left on device")


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    data = DataDirectory(tmp_path / "deep" / "show", real_world())
    data.prepare()
    return data


@pytest.fixture
def full(tmp_path: Path) -> DataDirectory:
    data = DataDirectory(tmp_path, real_world(disk=FullDisk()))
    data.prepare()
    return data


def test_it_is_created_for_its_owner_only(data: DataDirectory) -> None:
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700
    data.keys()
    data.tell(NODE)
    for path in (data.keys_path, data.node_path, data.path / "lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_node_uses_it_at_a_time(data: DataDirectory) -> None:
    with pytest.raises(YourMistake, match="another node runs on") as told:
        DataDirectory(data.path, real_world()).prepare()
    assert str(data.node_path) in told.value.remedy


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(YourMistake, match=f"cannot use {path} for data") as told:
            DataDirectory(path, real_world()).prepare()
        assert "--data" in told.value.remedy


def test_keys_are_made_once_and_differ_from_show_to_show(
    data: DataDirectory, tmp_path: Path
) -> None:
    keys = data.keys()
    assert data.keys() == keys
    other = DataDirectory(tmp_path / "other", real_world())
    other.prepare()
    mine, theirs = keys.ticket_key(), other.keys().ticket_key()
    assert len(mine.ticket) == len(mine.claim) == 16
    assert len({mine.ticket, mine.claim, theirs.ticket, theirs.claim}) == 4
    assert len(bytes.fromhex(keys.token)) == 24
    assert other.keys().token != keys.token


def test_no_repr_shows_a_secret(data: DataDirectory) -> None:
    keys = data.keys()
    for shown in (repr(keys), str(keys), f"{[keys]}", repr(keys.ticket_key())):
        assert not any(secret in shown for secret in (keys.ticket, keys.claim, keys.token))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"number": 1}',
        b'{"number":1,"ticket":"zz","claim":"00","token":"00"}',
        b'{"number":1,"ticket":"0011","claim":"0011","token":"00"}',
        b'{"number":300,"ticket":"%b","claim":"%b","token":"00"}' % (b"0" * 32, b"0" * 32),
        b'{"number":1,"ticket":"%b","claim":"%b","token":""}' % (b"0" * 32, b"0" * 32),
    ],
)
def test_keys_that_are_no_keys_are_damage_and_are_not_quoted(
    data: DataDirectory, content: bytes
) -> None:
    data.keys_path.write_bytes(content)
    with pytest.raises(DataDamaged) as told:
        data.keys()
    assert told.value.message == f"{data.keys_path} cannot be read"
    assert data.keys_path.read_bytes() == content, "never replaced: tickets would be lost"


def test_a_journal_is_created_when_asked_and_then_found(data: DataDirectory) -> None:
    with pytest.raises(YourMistake, match="there is no journal in"):
        data.journal()
    made = data.journal(create=True)
    assert data.journal().id == data.journal(create=True).id == made.id
    assert open_journal(data.path).id == made.id


def test_a_journal_that_lost_its_identity_is_not_made_anew(data: DataDirectory) -> None:
    data.journal(create=True).writer()
    (data.journal_path / "journal.json").unlink()
    with pytest.raises(DataDamaged, match=r"journal\.json is missing, but"):
        data.journal(create=True)


def test_a_full_disk_is_an_engine_that_is_down(full: DataDirectory) -> None:
    for action in (full.keys, lambda: full.journal(create=True), lambda: full.tell(NODE)):
        with pytest.raises(EngineDown, match="No space left") as told:
            action()
        assert "space" in told.value.remedy


def test_where_the_node_is_can_be_read_until_it_ends(data: DataDirectory) -> None:
    data.tell(NODE)
    assert read_node(data.path) == NODE
    data.untell()
    with pytest.raises(YourMistake, match="no node runs on"):
        read_node(data.path)
    data.untell()


def test_what_cannot_be_read_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(YourMistake, match="there is no journal in"):
            open_journal(path)
        with pytest.raises(YourMistake, match="no node runs on"):
            read_node(path)
    (tmp_path / "node.json").write_bytes(b"{")
    with pytest.raises(YourMistake, match="no node runs on"):
        read_node(tmp_path)


def test_a_journal_that_may_not_be_read_is_an_engine_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "journal" / "journal.json").mkdir(parents=True)
    with pytest.raises(EngineDown, match=r"cannot read .*journal\.json"):
        open_journal(tmp_path)


def test_keys_come_back_from_their_file(data: DataDirectory) -> None:
    keys = data.keys()
    assert msgspec.json.decode(data.keys_path.read_bytes(), type=Keys) == keys


class SilentMirror(FaultyDisk):
    """What lies in a directory of this name cannot be listed."""

    def list(self, directory: Path) -> list[str]:
        if directory.name == "silent":
            raise OSError(5, "Input/output error", str(directory))
        return super().list(directory)


def test_a_mirror_that_cannot_be_read_may_hold_the_journal(tmp_path: Path) -> None:
    """Then no new one is made beside it; nor does anybody see a traceback."""
    data = DataDirectory(tmp_path / "show", real_world(disk=SilentMirror()))
    data.prepare()
    data.use(Settings(mirrors=(str(tmp_path / "silent"),)))
    with pytest.raises(EngineDown, match=f"cannot read {tmp_path / 'silent'}: Input/output error"):
        data.journal(create=True)
    data.use(Settings())
    journal = data.journal(create=True)
    data.use(Settings(mirrors=(str(tmp_path / "silent"),)))
    assert data._is_new((tmp_path / "silent", data.journal_path)) is False
    assert data.journal().id == journal.id
