"""How old the count on the wall is: a listener on the stage's event stream."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time

import msgspec
import numpy as np

from bench.http.site import Serving


class _Tally(msgspec.Struct):
    """What this listener reads of a `tally` event."""

    oldest_at: int | None
    """When the oldest answer in it that was not in the one before was received, ms since 1970."""


class WallLag:
    """Listens between `__enter__` and `__exit__`."""

    def __init__(self, serving: Serving) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", serving.private_port, timeout=30)
        self._token = serving.token
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._lags_ms: list[float] = []
        self._ended = False

    def __enter__(self) -> WallLag:
        self._connection.request(
            "GET", "/events/wall", headers={"Authorization": f"Bearer {self._token}"}
        )
        self._stream = self._connection.getresponse()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True  # seen at the next line, of which the stage sends one every 10 s or less
        self._thread.join()
        self._stream.close()
        self._connection.close()

    def _listen(self) -> None:
        name, repeated = b"", True
        with contextlib.suppress(OSError, http.client.HTTPException):
            for line in self._stream:
                if line.startswith(b"event: "):
                    name = line[7:].strip()
                elif line.startswith(b"data: ") and name == b"tally":
                    # The first one repeats what was known before.
                    if not repeated:
                        self._note(line[6:])
                    repeated = False
                if self._ended:
                    return

    def _note(self, data: bytes) -> None:
        oldest_at = msgspec.json.decode(data, type=_Tally).oldest_at
        if oldest_at is not None:
            self._lags_ms.append(time.time() * 1000 - oldest_at)

    @property
    def p99_ms(self) -> float | None:
        """None if no new count came."""
        return float(np.quantile(self._lags_ms, 0.99)) if self._lags_ms else None
