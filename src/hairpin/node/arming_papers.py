"""The two papers that a rehearsal leaves: the certificate, signed, and its page."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hairpin.errors import EngineDown
from hairpin.node.arming import CERTIFICATES
from hairpin.node.arming_facts import facts_of, this_machine
from hairpin.node.identity import installation_key
from hairpin.rehearsal.certificate import Signed, certify, sign, verify
from hairpin.rehearsal.findings import Findings, Option
from hairpin.rehearsal.page import page
from hairpin.show import Show
from hairpin.web import load_assets
from hairpin.world import World

STYLES = ("/shared/tokens.css", "/certificate.css")


class Papers(msgspec.Struct, frozen=True):
    signed: Signed
    certificate_path: Path
    page_path: Path


def issue(
    show: Show,
    show_path: Path,
    in_force: dict[str, Option],
    findings: Findings,
    world: World,
    directory: Path | None = None,
) -> Papers:
    """Judge, sign and write both files, each all at once, into `directory`, by default
    `certificates` beside the show file.

    `in_force`: the `configuration` of the node that was rehearsed, from its `node.json`. Raises
    EngineDown if they cannot be written, and what `installation_key` raises.
    """
    key = installation_key(world.disk)
    facts = facts_of(show, in_force)
    certificate = certify(show, facts, this_machine(), findings, world.clock.now_ms())
    data = sign(certificate, key)
    directory = directory or show_path.parent / CERTIFICATES
    path = directory / f"{certificate.name}.json"
    signed = verify(data, str(path))  # what cannot be read back must not be handed out
    try:
        directory.mkdir(parents=True, exist_ok=True)
        world.disk.replace(path.with_suffix(".html"), as_page(signed).encode(), 0o644)
        world.disk.replace(path, data, 0o644)
    except OSError as error:
        raise EngineDown(
            f"cannot write {path}: {error.strerror}", "Name another directory with --out."
        ) from error
    return Papers(signed, path, path.with_suffix(".html"))


def as_page(signed: Signed) -> str:
    assets = load_assets("certificate")
    style = "\n".join(assets[name].body.decode() for name in STYLES)
    return page(signed.certificate, signed.public_key, style)
