"""Labels on the disk: two in each mirror, so that one bad sector makes no mirror unknown."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hairpin.errors import DataDamaged
from hairpin.journal.label import LABEL, LABEL_BYTES_MAX, Label, decode_label, encode_label
from hairpin.world import Disk

SPARE = "journal.spare.json"


def read_label(disk: Disk, directory: Path) -> Label:
    """The newer of the two that can be read.

    Raises FileNotFoundError if there is none, DataDamaged, OSError, or as `decode_label` does.
    """
    found: list[Label] = []
    problem: OSError | DataDamaged | None = None
    for name in (LABEL, SPARE):
        path = directory / name
        try:
            found.append(decode_label(disk.read(path, 0, LABEL_BYTES_MAX), path))
        except (OSError, DataDamaged) as error:
            if problem is None or isinstance(problem, FileNotFoundError):
                problem = error
    if found:
        return max(found, key=lambda label: label.epoch)
    assert problem is not None
    raise problem


def write_label(disk: Disk, directory: Path, label: Label) -> None:
    """Durable on return; if it raises OSError, the old one is in force, or the new one is."""
    data = encode_label(label)
    disk.replace(directory / LABEL, data)
    # The new one counts from here on, whatever becomes of its spare.
    with suppress(OSError):
        disk.replace(directory / SPARE, data)
