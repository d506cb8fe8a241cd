"""The installation's key: it signs certificates, and outlives every show's data.

`identity.key` (Ed25519, PKCS #8 in PEM, mode 600) lies in `$HAIRPIN_HOME`, by default
`$XDG_CONFIG_HOME/hairpin` or `~/.config/hairpin`. It is made when it is first asked for. Machines
that share one file are one installation: a certificate of one arms a show on the other.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.world import Disk

KEY_FILE = "identity.key"
OTHERS = 0o077
"""Permission bits that a private key must not have."""


def home() -> Path:
    """Where this installation keeps what belongs to no show."""
    own = os.environ.get("HAIRPIN_HOME")
    if own:
        return Path(own)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "hairpin"


def installation_key(disk: Disk, directory: Path | None = None) -> Ed25519PrivateKey:
    """The key in `directory`, by default in `home()`.

    Raises YourMistake if others may read it, DataDamaged if it is no key, EngineDown if it cannot
    be made or read.
    """
    path = (directory or home()) / KEY_FILE
    try:
        if not path.exists():
            _make(disk, path)
        mode = path.stat().st_mode & 0o777
        pem = path.read_bytes()
    except OSError as error:
        raise EngineDown(
            f"cannot make or read {path}: {error.strerror}",
            "Name a directory that you may write to with the environment variable HAIRPIN_HOME.",
        ) from error
    if mode & OTHERS:
        raise YourMistake(
            f"{path}: found mode {mode:03o}; allowed: 600, as whoever reads it can sign for you",
            f"chmod 600 {path}",
        )
    return _read(path, pem)


def public_key(key: Ed25519PrivateKey) -> str:
    """32 bytes in hex."""
    return key.public_key().public_bytes_raw().hex()


def _make(disk: Disk, path: Path) -> None:
    """Two processes may ask at once: the first one's key stays, and both use it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    disk.replace(draft, pem, 0o600)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # the reason may quote the file
    if not isinstance(key, Ed25519PrivateKey):
        raise DataDamaged(
            f"{path} holds no Ed25519 key",
            "Restore it from a copy; or remove it, and rehearse again with a new one.",
        )
    return key
