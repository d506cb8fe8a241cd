"""One contender of an HTTP group: a job for a site's generator, and what may come back."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bench.http.site import Sampled, Site
from bench.load.jobs import Job
from bench.report import Contender
from bench.rounds import Measured
from hairpin.errors import EngineDown

OVERLOADED = 503

Verify = Callable[[Site], str]


class HttpRunner:
    """Loads a site; each reply must have one of the statuses that are expected of it."""

    def __init__(
        self,
        contender: Contender,
        site: Site,
        job: Job,
        expected: frozenset[int] = frozenset({204}),
        verify: Verify | None = None,
        replies_per_answer: int = 1,
    ) -> None:
        self.contender = contender
        self.site = site
        self.job = job
        self._expected = expected
        self._verify = verify
        self._replies_per_answer = replies_per_answer
        self._answers_fans = b"/a/" in job.request

    def __enter__(self) -> HttpRunner:
        self.site.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.site.__exit__(*exc)

    def measure(self, seconds: float) -> Measured:
        """Raises EngineDown if something else came back than is expected.

        A 503 is no answer: where it is expected, those that were taken bear its cost.
        """
        job = msgspec.structs.replace(self.job, seconds=seconds)
        sampled = self.site.load(job, self._answers_fans)
        self._check(sampled)
        return self.measured(sampled)

    def measured(self, sampled: Sampled) -> Measured:
        result = sampled.result
        refused = result.statuses.get(OVERLOADED, 0)
        extra = {"generator us": result.generator_us}
        if OVERLOADED in self._expected:
            extra["503/s"] = refused / result.seconds
        return Measured(
            answers=(result.replies - refused) // self._replies_per_answer,
            cpu_s=sampled.cpu_s,
            seconds=result.seconds,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            extra=extra,
        )

    def _check(self, sampled: Sampled) -> None:
        result = sampled.result
        strange = {s: n for s, n in result.statuses.items() if s not in self._expected}
        if strange or result.broken or result.unanswered or not result.replies:
            raise EngineDown(
                f"{self.contender.name}: of {result.replies} replies by status {strange} were not "
                f"to be, {result.broken} connections broke, {result.unanswered} requests had no "
                "reply",
                f"Expected: {', '.join(map(str, sorted(self._expected)))}. The server said: "
                f"{self.site.serving.service.said() or 'nothing'}",
            )

    def verify(self) -> str | None:
        return self._verify(self.site) if self._verify else None
