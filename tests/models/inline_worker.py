"""Workers for replays: one that has done its job before `submit` returns, one that is told when."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class InlineWorker(Executor):
    """Everything happens in the thread that asks for it, at once."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        _do(future, partial(fn, *args, **kwargs))
        return future


class PatientWorker(Executor):
    """Jobs wait until the test lets them go, as if another thread were slow."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._waiting.append(partial(_do, future, partial(fn, *args, **kwargs)))
        return future

    def work(self) -> None:
        """Do all that waits."""
        waiting, self._waiting = self._waiting, []
        for job in waiting:
            job()


def _do(future: Future[T], job: Callable[[], T]) -> None:
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
