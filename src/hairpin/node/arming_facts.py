"""What of this installation a certificate speaks of: its code, its machine, its configuration."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache
from pathlib import Path

from hairpin import __version__
from hairpin.config import Settings
from hairpin.rehearsal.certificate import Facts, Machine, facts
from hairpin.rehearsal.findings import Option
from hairpin.show import Show

PACKAGE = Path(__file__).parents[1]
CODE_SUFFIXES = (".py", ".js")
"""What decides how a node serves, and how often a phone asks."""
FREE = frozenset({"trusted_proxies", "join_allow", "join_burst", "join_per_s"})
"""Settings that say who may come, not how many are served: a rehearsal's crowd comes from one
address, the audience does not. Every other setting bears on capacity."""


@cache
def code_hash() -> str:
    """BLAKE2b-128 over names and contents of the program's files, hex."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in CODE_SUFFIXES:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(PACKAGE).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def configuration(settings: Settings, tally: str | None) -> dict[str, Option]:
    """What bears on capacity, by name; `settings` as they are in force. `tally`: the address of
    the engine that counts, of which the scheme is kept; None: exactly, in the stage process."""
    kept = [name for name in settings.__struct_fields__ if name not in FREE]
    engine = "exact" if tally is None else tally.partition(":")[0]
    values = {name: getattr(settings, name) for name in kept}
    # Where mirrors lie is nobody's business; how many there are decides what an answer costs.
    return {**values, "mirrors": 1 + len(settings.mirrors), "tally": engine}


def facts_of(show: Show, in_force: dict[str, Option]) -> Facts:
    """What a certificate for `show` would have to say today. `in_force`: see `configuration`."""
    return facts(show, __version__, code_hash(), in_force)


def this_machine() -> Machine:
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        host=platform.node(),
        cpu=_cpu(),
        cores=_cores(),
        memory_bytes=pages * page_bytes,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def _cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()
