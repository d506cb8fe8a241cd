"""May this show be armed? Only with a certificate that still holds, or for a reason that is kept.

A certificate holds if this installation signed it, it says go, and version, schedule, audience and
configuration are what they were. What has begun is never asked again: the journal has armed it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import msgspec

from hairpin import messages as m
from hairpin.errors import DataDamaged, Finding, YourMistake
from hairpin.node.identity import installation_key, public_key
from hairpin.rehearsal.certificate import (
    Certificate,
    Facts,
    Signed,
    differences,
    facts,
    key_name,
    verify,
)
from hairpin.show import Show
from hairpin.world import Disk

CERTIFICATES = "certificates"
"""Directory beside the show file."""
CANDIDATES_MAX = 100
"""The newest certificates of a show that are looked at."""
BYTES_MAX = 16 << 20
REASON_MAX = 300
"""Characters of an override's reason."""


class Purpose(StrEnum):
    SHOW = "show"
    """For people: needs a certificate, or an override."""
    REHEARSAL = "rehearsal"
    DEMO = "demo"


class Grounds(msgspec.Struct, frozen=True):
    """What whoever starts a node brings along."""

    purpose: Purpose = Purpose.SHOW
    certificate: Path | None = None
    """Instead of the newest one beside the show file."""
    override: str | None = None
    """The reason for arming without a certificate."""


class Refusal(YourMistake):
    """No certificate holds; `findings` are the facts that differ, or the limits that were hit."""

    def in_short(self) -> str:
        """One line, as an override keeps it."""
        return "; ".join([self.message, *map(str, self.findings)])


def permit(
    show: Show, show_path: Path, now: Facts, grounds: Grounds, known: m.Armed | None, disk: Disk
) -> m.Permission:
    """On what grounds `show` is armed. `known`: how the same data directory was armed before, if
    nothing has begun there yet. Raises Refusal, and YourMistake for an impossible reason."""
    if grounds.purpose is not Purpose.SHOW:
        return m.Permission(grounds.purpose)
    reason = None if grounds.override is None else checked_reason(grounds.override)
    try:
        held = _holding(show, show_path, now, grounds.certificate, disk)
    except Refusal as refusal:
        if reason is not None:
            return m.Permission("override", reason=reason, lacking=refusal.in_short())
        if known is not None and known.permission is not None and _still(known, show):
            return known.permission
        raise
    return m.Permission("certificate", certificate=held.id, certified_ms=held.dated_ms)


def checked_reason(text: str) -> str:
    """Raises YourMistake for one that tells nothing, or too much."""
    reason = text.strip()
    if not reason or len(reason) > REASON_MAX or not reason.isprintable():
        raise YourMistake(
            f"--override: found {text[:40]!r}, {len(reason)} characters; "
            f"allowed: a reason on one line, 1 to {REASON_MAX} characters",
            "Say in words why this show is armed without a certificate; the journal keeps it.",
        )
    return reason


def read_certificate(path: Path) -> Signed:
    """A file whose signature holds, whoever signed it. Raises YourMistake, DataDamaged."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise YourMistake(
            f"{path} cannot be read: {error.strerror}", "Name the JSON file of a certificate."
        ) from None
    if len(data) > BYTES_MAX:
        raise YourMistake(
            f"{path} is larger than {BYTES_MAX} bytes", "Name the JSON file of a certificate."
        )
    return verify(data, str(path))


def certificates_of(show_id: str, show_path: Path) -> list[Path]:
    """Where `hairpin rehearse` puts them, newest first."""
    named = re.compile(rf"{re.escape(show_id)}-\d{{8}}T\d{{6}}Z\.json")
    directory = show_path.parent / CERTIFICATES
    try:
        found = [path for path in directory.iterdir() if named.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=lambda path: path.name, reverse=True)[:CANDIDATES_MAX]


def _holding(
    show: Show, show_path: Path, now: Facts, named: Path | None, disk: Disk
) -> Certificate:
    """The certificate that arms `show`: the newest one that matches, or the one that was named."""
    candidates = [named] if named is not None else certificates_of(show.id, show_path)
    refusals: list[Refusal] = []
    for path in candidates:
        try:
            certificate = _matching(path, show, show_path, now, disk)
        except Refusal as refusal:
            refusals.append(refusal)
            continue
        _expect_go(certificate, path, show, show_path)
        return certificate
    if refusals:
        raise refusals[0]
    raise Refusal(
        f"the show {show.id!r} has no certificate in {show_path.parent / CERTIFICATES}",
        _remedy(show, show_path),
    )


def _matching(path: Path, show: Show, show_path: Path, now: Facts, disk: Disk) -> Certificate:
    try:
        signed = read_certificate(path)
    except (YourMistake, DataDamaged) as error:
        raise Refusal(error.message, _remedy(show, show_path)) from error
    certificate = signed.certificate
    if certificate.show != show.id:
        raise Refusal(
            f"{path} is a certificate of the show {certificate.show!r}, not of {show.id!r}",
            _remedy(show, show_path),
        )
    own = public_key(installation_key(disk))
    if signed.public_key != own:
        raise Refusal(
            f"{path} was signed by another installation: its key is "
            f"{key_name(signed.public_key)}, this one's is {key_name(own)}",
            _remedy(show, show_path),
        )
    differ = differences(certificate.facts, now)
    if differ:
        raise Refusal(
            f"the certificate {certificate.id} of {certificate.dated} does not match any more",
            _remedy(show, show_path),
            tuple(Finding(d.fact, d.now, f"{d.certified}, as rehearsed") for d in differ),
        )
    return certificate


def _expect_go(certificate: Certificate, path: Path, show: Show, show_path: Path) -> None:
    if certificate.verdict.go:
        return
    raise Refusal(
        f"the certificate {certificate.id} of {certificate.dated} says no-go",
        f"{path.with_suffix('.html')} says what would lift it. " + _remedy(show, show_path),
        tuple(Finding(hit.rule, hit.found, hit.needed) for hit in certificate.verdict.limits),
    )


def _still(known: m.Armed, show: Show) -> bool:
    """Was the same running order armed for the same audience before, and for people?"""
    assert known.permission is not None
    if known.permission.grounds in (Purpose.REHEARSAL, Purpose.DEMO):
        return False
    return facts(known.show, "", "", {}) == facts(show, "", "", {})


def _remedy(show: Show, show_path: Path) -> str:
    return (
        f"Rehearse it: hairpin rehearse {show_path} --fans {show.audience_high}; "
        "or arm it all the same: --override REASON, which the journal keeps."
    )
