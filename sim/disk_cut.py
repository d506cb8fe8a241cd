"""What a power cut leaves of a file whose last changes were not synced.

Each sector is written back at a moment of its own, whole or not at all: what the platter has is
what the cache had after some number of the changes. Sizes are the file system's word and go through
its log in their order, so that the size is the one after some number of the changes too, or one on
the way, at a border of pages.

Where the size is ahead of the content, ext4 (`data=ordered`) and xfs show zeros: blocks that were
allocated but not written are marked so, and the rest of a last page is zeroed before it is written.
Neither shows what other files held, so nobody meets rubbish here; only a damaged disk does that.
A truncation is a size and zeros up to the end of its page; if the size is lost, the zeros may have
come through, while what was then written to pages behind it went to blocks that nobody will find.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SECTOR_BYTES = 512
PAGE_BYTES = 4096
_PAGE_SECTORS = PAGE_BYTES // SECTOR_BYTES

Change = tuple[int, bytes | None]
"""Offset and bytes of a write; or the new size, and None, of a truncation."""


def resize(content: bytearray, size_bytes: int) -> None:
    """Cut off, or fill up with zeros."""
    if size_bytes < len(content):
        del content[size_bytes:]
    else:
        content.extend(bytes(size_bytes - len(content)))


def after_power_cut(platter: bytearray, changes: list[Change], dice: random.Random) -> bytearray:
    """What the file is when the power returns. `platter` stays as it is."""
    content = bytearray(platter)
    if not changes:
        return content
    committed = dice.randint(0, len(changes))
    moment = _moments(len(changes), committed, dice)
    size_bytes = len(platter)
    reachable: int | None = None
    for n, (offset, data) in enumerate(changes):
        if data is not None:
            _write_back(content, offset, data, reachable, n, moment)
        elif n < committed:
            resize(content, offset)
        elif offset < len(content):
            zeros = bytes(min(_page_end(offset), len(content)) - offset)
            _write_back(content, offset, zeros, None, n, moment)
            reachable = min(_page_end(offset), len(content) if reachable is None else reachable)
        if n < committed:
            size_bytes = _size_after(size_bytes, (offset, data))
    if committed < len(changes):
        size_bytes = _on_the_way(size_bytes, changes[committed], dice)
    resize(content, size_bytes)
    return content


def _moments(changes: int, committed: int, dice: random.Random) -> Callable[[int], int]:
    """After how many changes each sector was written back for the last time.

    By the dice all at once, in step with the sizes or not; page by page; or sector by sector.
    """
    grain = dice.choice((None, 1 << 62, _PAGE_SECTORS, 1))
    moments: dict[int, int] = {}

    def moment(sector: int) -> int:
        if grain is None:
            return committed
        lump = sector // grain
        if lump not in moments:
            moments[lump] = dice.choice((0, changes, dice.randint(0, changes)))
        return moments[lump]

    return moment


def _write_back(
    content: bytearray,
    offset: int,
    data: bytes,
    reachable: int | None,
    n: int,
    moment: Callable[[int], int],
) -> None:
    """Those sectors of the n-th change that came through; none from `reachable` on."""
    end = offset + len(data) if reachable is None else min(offset + len(data), reachable)
    at = offset
    while at < end:
        sector = at // SECTOR_BYTES
        upto = min((sector + 1) * SECTOR_BYTES, end)
        if n < moment(sector):
            if at > len(content):
                resize(content, at)
            content[at:upto] = data[at - offset : upto - offset]
        at = upto


def _size_after(size_bytes: int, change: Change) -> int:
    offset, data = change
    return offset if data is None else max(size_bytes, offset + len(data))


def _on_the_way(size_bytes: int, change: Change, dice: random.Random) -> int:
    """A long write grows the file page by page."""
    pages = range(_page_end(size_bytes), _size_after(size_bytes, change), PAGE_BYTES)
    if change[1] is None or not pages or dice.random() < 0.5:
        return size_bytes
    return dice.choice(pages)


def _page_end(offset: int) -> int:
    return -(-offset // PAGE_BYTES) * PAGE_BYTES
