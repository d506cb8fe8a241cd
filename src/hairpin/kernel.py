"""Compiled kernels: one decorator, so that the rest of the code stays strictly typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile `function` with numba; machine code is cached beside its source file.

    The first call in a new installation compiles (seconds); `hairpin warm` does it ahead of time.
    `nogil` lets other threads run meanwhile.
    """
    return cast(F, njit(cache=True, nogil=True)(function))


def inlined(function: F) -> F:
    """Compile `function` for use inside other kernels only."""
    return cast(F, njit(cache=True, nogil=True, inline="always")(function))
