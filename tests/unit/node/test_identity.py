"""The installation's key: made once, kept from others' eyes, the same for every show."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.node.identity import KEY_FILE, home, installation_key, public_key
from hairpin.world import RealDisk

DISK = RealDisk()


def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    directory = tmp_path / "config" / "hairpin"
    first = public_key(installation_key(DISK, directory))
    assert public_key(installation_key(DISK, directory)) == first
    assert (directory / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in directory.iterdir()] == [KEY_FILE]
    assert public_key(installation_key(DISK, tmp_path / "another")) != first


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAIRPIN_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".config" / "hairpin"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert home() == tmp_path / "xdg" / "hairpin"
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "own"))
    assert home() == tmp_path / "own"
    installation_key(DISK)
    assert (tmp_path / "own" / KEY_FILE).exists()


def test_who_was_overtaken_takes_the_other_ones_key(tmp_path: Path) -> None:
    """Two commands of a new installation ask at once; both must sign with one key."""

    class Overtaken(RealDisk):
        def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
            super().replace(path, data, mode)
            installation_key(DISK, tmp_path / "other")
            (tmp_path / "other" / KEY_FILE).rename(tmp_path / KEY_FILE)

    mine = public_key(installation_key(Overtaken(), tmp_path))
    assert mine == public_key(installation_key(DISK, tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [KEY_FILE]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    installation_key(DISK, tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(YourMistake, match="found mode 644") as told:
        installation_key(DISK, tmp_path)
    assert told.value.remedy == f"chmod 600 {tmp_path / KEY_FILE}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        X25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
    ids=["empty", "garbage", "another kind"],
)
def test_what_is_no_key_is_damage_and_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(DataDamaged, match="holds no Ed25519 key") as told:
        installation_key(DISK, tmp_path)
    assert "BEGIN" not in str(told.value)


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EngineDown, match="Not a directory") as told:
        installation_key(DISK, tmp_path / "file" / "hairpin")
    assert "HAIRPIN_HOME" in told.value.remedy
