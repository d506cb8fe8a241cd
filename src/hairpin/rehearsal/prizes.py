"""The end of the night for synthetic contenders: each claims, under a name nobody could mistake."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from hairpin.rehearsal.asking import Inquirer
from hairpin.rehearsal.phones import Phones

ANNOUNCED_S = 30.0
"""How long phones look whether contenders are announced."""
LOOK_S = 0.5
CLAIM_S = 30.0


async def claim(inquirer: Inquirer, phones: Phones) -> int:
    """How many claims of this crowd were taken; strangers among the contenders claim themselves.

    Raises `EngineDown` if the node is gone for good.
    """
    taken = 0
    for number in await _contenders(inquirer):
        fan = phones.fan_of(number)
        if fan is None:
            continue
        wish = {
            "ticket": phones.ticket_of(fan),
            "claim": phones.claim_of(fan),
            "name": f"Synthetic fan {number}",
            "consent": True,
        }
        reply = await inquirer.ask("POST", "/api/claim", CLAIM_S, wish)
        taken += reply.status == HTTPStatus.ACCEPTED
    return taken


async def _contenders(inquirer: Inquirer) -> list[int]:
    for _ in range(round(ANNOUNCED_S / LOOK_S)):
        now = await inquirer.document("/now")
        if now["contenders"] is not None:
            return [int(fan) for fan in now["contenders"]["fans"]]
        await asyncio.sleep(LOOK_S)
    return []
