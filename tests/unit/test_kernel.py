"""Machine code in the cache is used again, but not after a kernel that it calls was changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

INNER = """
from hairpin.kernel import compiled

@compiled
def inner(x):
    return x + {addend}
"""
OUTER = """
from hairpin.kernel import compiled
from kernels.inner import inner

@compiled
def outer(x):
    return inner(x)
"""
RUN = "from kernels.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"


def run(directory: Path, addend: int) -> list[int]:
    """The result, and how often the cache had it."""
    (directory / "kernels" / "inner.py").write_text(INNER.format(addend=addend))
    command = [sys.executable, "-B", "-W", "error", "-c", RUN]  # its bytecode knows seconds only
    told = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    return [int(word) for word in told.stdout.split()]


def test_a_change_in_another_file_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "outer.py").write_text(OUTER)
    assert run(tmp_path, 1) == [2, 0]
    assert run(tmp_path, 1) == [2, 1]
    assert run(tmp_path, 5) == [6, 0]
