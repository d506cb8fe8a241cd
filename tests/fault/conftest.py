"""Crowds that go home whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_crowd import SmallCrowd


@pytest.fixture
def crowds() -> Iterator[list[SmallCrowd]]:
    """Put in whom you start; take out whom you have stopped."""
    crowds: list[SmallCrowd] = []
    yield crowds
    for crowd in crowds:
        crowd.stop()
