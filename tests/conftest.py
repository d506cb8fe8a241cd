"""Real nodes for every test that wants one; `support` and `models` hold modules for all tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

for folder in ("models", "support"):
    sys.path.insert(0, str(Path(__file__).parent / folder))

from living_node import LivingNode  # noqa: E402 - found by the lines above
from memcached_server import Memcached  # noqa: E402

NodeFactory = Callable[..., LivingNode]


def _factory(directories: pytest.TempPathFactory, ends: ExitStack) -> NodeFactory:
    def start(show_text: str, **wishes: Any) -> LivingNode:
        """`wishes` as for `LivingNode`; the node is running on return."""
        node = LivingNode(directories.mktemp("node"), show_text, **wishes)
        ends.callback(node.end)
        node.start()
        return node

    return start


@pytest.fixture(autouse=True)
def _loud_logs() -> Iterator[None]:
    """Whoever silences the log does so for one test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeFactory]:
    """Call it with the text of a show file; the nodes end with the test."""
    with ExitStack() as ends:
        yield _factory(tmp_path_factory, ends)


@pytest.fixture(scope="module")
def module_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeFactory]:
    """As `node`, for nodes that all tests of a module share."""
    with ExitStack() as ends:
        yield _factory(tmp_path_factory, ends)


@pytest.fixture
def memcached() -> Iterator[Memcached]:
    """A real one, running; it ends with the test."""
    server = Memcached()
    server.start()
    yield server
    server.kill()
