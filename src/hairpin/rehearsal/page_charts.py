"""The charts of a certificate's page, as SVG text. Pure; colours and fonts come from its style.

Every chart is an image with a sentence for people who do not see it, and says its scale in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import msgspec

from hairpin.rehearsal.findings import Latency, Series

Points = Sequence[tuple[float, float]]

WIDTH, HALF_WIDTH = 760, 400
LEFT, RIGHT = 58, 14
BURST_S_MAX = 180
"""The longest stretch that the chart of the busiest burst shows."""
QUIET_SHARE = 0.005
"""Of the busiest second: below this a burst is over."""
COLUMNS_MAX = 380
DECADE_MIN_MS, DECADE_MAX_MS = 0.1, 10_000.0


class Frame(msgspec.Struct, frozen=True):
    """A plot area with both scales; y grows upwards."""

    height: int
    x_from: float
    x_to: float
    y_to: float
    top: int = 14
    bottom: int = 24
    width: int = WIDTH

    def x(self, value: float) -> float:
        share = (value - self.x_from) / ((self.x_to - self.x_from) or 1)
        return round(LEFT + share * (self.width - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        room = self.height - self.top - self.bottom
        return round(self.top + room * (1 - min(value / (self.y_to or 1), 1)), 1)


class Burst(msgspec.Struct, frozen=True):
    """Consecutive seconds around the busiest one; quiet ones are there with zeros."""

    from_s: int
    offered: tuple[int, ...]
    acknowledged: tuple[int, ...]
    refused: tuple[int, ...]


def busiest(series: Series) -> Burst | None:
    """The burst with the busiest second; None without any answer."""
    traffic = {
        at: max(offered, done)
        for at, offered, done in zip(series.at_s, series.offered, series.acknowledged, strict=True)
    }
    if not any(traffic.values()):
        return None
    peak = max(traffic, key=lambda at: traffic[at])
    floor = traffic[peak] * QUIET_SHARE
    first = last = peak
    while last - first < BURST_S_MAX and traffic.get(first - 1, 0) > floor:
        first -= 1
    while last - first < BURST_S_MAX and traffic.get(last + 1, 0) > floor:
        last += 1
    columns = [
        dict(zip(series.at_s, column, strict=True))
        for column in (series.offered, series.acknowledged, series.refused)
    ]
    seconds = range(max(first - 1, 0), last + 2)
    rows = (tuple(column.get(at, 0) for at in seconds) for column in columns)
    return Burst(seconds[0], *rows)


def burst_chart(burst: Burst, target_per_s: float) -> str:
    """Offered, acknowledged and refused answers, each second, and the target."""
    high = max(*burst.offered, *burst.acknowledged, target_per_s, 1) * 1.06
    frame = Frame(250, 0, len(burst.offered) - 1, high)
    acknowledged = list(enumerate(burst.acknowledged))
    parts = [
        *_y_grid(frame, "/s"),
        *_x_seconds(frame),
        f'<path class="area" d="{_area(frame, acknowledged)}"/>',
        f'<path class="line" d="{_line(frame, acknowledged)}"/>',
        f'<path class="offered" d="{_line(frame, list(enumerate(burst.offered)))}"/>',
    ]
    if any(burst.refused):
        parts.append(f'<path class="refused" d="{_area(frame, list(enumerate(burst.refused)))}"/>')
    parts += _level(frame, target_per_s, f"target {target_per_s:,.0f}/s")
    told = (
        f"Answers per second in the busiest burst: at most {max(burst.offered):,} offered and "
        f"{max(burst.acknowledged):,} acknowledged; the target was {target_per_s:,.0f}."
    )
    return _image(frame, told, parts)


def whole_chart(series: Series) -> str:
    """The whole rehearsal as a strip: the highest second of each of its columns."""
    first, last = series.at_s[0], series.at_s[-1]
    step = max(1, math.ceil((last - first + 1) / COLUMNS_MAX))
    heights: dict[int, int] = {}
    for at, done in zip(series.at_s, series.acknowledged, strict=True):
        column = (at - first) // step
        heights[column] = max(heights.get(column, 0), done)
    count = (last - first) // step + 1
    frame = Frame(86, 0, count, max(*heights.values(), 1), top=4, bottom=22)
    width = max((WIDTH - LEFT - RIGHT) / count - 0.4, 0.6)
    bars = "".join(
        f"M{frame.x(column)} {frame.y(0)}V{frame.y(done)}h{width:.1f}V{frame.y(0)}z"
        for column, done in sorted(heights.items())
        if done
    )
    seconds = Frame(86, 0, last - first + 1, 1, top=4, bottom=22)
    parts = [*_x_seconds(seconds), f'<path class="bars" d="{bars}"/>']
    return _image(frame, f"Acknowledged answers over all {last - first + 1} seconds.", parts)


def swell(burst: Burst, width: int, height: int) -> str:
    """The burst as a hairpin: its rate up and down from one line, growing and fading; a path."""
    high = max(*burst.acknowledged, 1)
    step = width / max(len(burst.acknowledged) - 1, 1)
    middle = height / 2
    upper = [
        (round(at * step, 1), round(0.94 * middle * done / high, 1))
        for at, done in enumerate(burst.acknowledged)
    ]
    up = "L".join(f"{x} {middle - y:.1f}" for x, y in upper)
    down = "L".join(f"{x} {middle + y:.1f}" for x, y in reversed(upper))
    return f"M{up}L{down}z"


def latency_chart(latencies: Sequence[Latency], limits_ms: dict[str, float]) -> str:
    """Quantiles of each kind on one logarithmic scale, from 0.1 ms to 10 s."""
    frame = Frame(34 + 58 * len(latencies), -1, 4, 1, top=6, bottom=26)
    parts = [*_decades(frame)]
    for row, latency in enumerate(latencies):
        parts += _quantiles(frame, latency, 34 + 58 * row, limits_ms.get(latency.kind))
    told = "; ".join(
        f"{one.kind}: half within {_ms(one.p50_ms)}, 99.9 % within {_ms(one.p999_ms)}"
        for one in latencies
    )
    return _image(frame, f"Latencies. {told}.", parts)


def level_chart(
    at_s: Sequence[int],
    values: Sequence[float | None],
    limit: float | None,
    name: str,
    unit: str,
) -> str:
    """One measure over the whole rehearsal; seconds without one leave a gap."""
    known = [value for value in values if value is not None]
    high = max([*known, limit or 0, 1e-9]) * 1.1
    frame = Frame(150, at_s[0], at_s[-1], high, width=HALF_WIDTH)
    parts = [*_y_grid(frame, unit, 3), *_x_seconds(frame)]
    parts += [f'<path class="line" d="{_line(frame, run)}"/>' for run in _runs(at_s, values)]
    if limit is not None:
        parts += _level(frame, limit, f"limit {limit:,.0f}{unit}")
    return _image(frame, f"{name}: at most {max(known):,.1f}{unit}.", parts)


# --- pieces ---------------------------------------------------------------------------------------


def _image(frame: Frame, told: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(told)}">'
        f"{''.join(parts)}</svg>"
    )


def _line(frame: Frame, points: Points) -> str:
    return "M" + "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in points)


def _area(frame: Frame, points: Points) -> str:
    ends = f"L{frame.x(points[-1][0])} {frame.y(0)}L{frame.x(points[0][0])} {frame.y(0)}z"
    return _line(frame, points) + ends


def _level(frame: Frame, value: float, name: str) -> list[str]:
    y = frame.y(value)
    return [
        f'<path class="target" d="M{LEFT} {y}H{frame.width - RIGHT}"/>',
        f'<text class="target-name" x="{frame.width - RIGHT}" y="{y - 5}">{escape(name)}</text>',
    ]


def _y_grid(frame: Frame, unit: str, lines: int = 4) -> Iterator[str]:
    step = _nice(frame.y_to / lines)
    for index in range(int(frame.y_to / step) + 1):
        value = index * step
        y = frame.y(value)
        yield f'<path class="grid" d="M{LEFT} {y}H{frame.width - RIGHT}"/>'
        yield f'<text class="tick-y" x="{LEFT - 8}" y="{y + 4}">{_short(value)}{unit}</text>'


def _x_seconds(frame: Frame) -> Iterator[str]:
    """Seconds below the plot; labels keep apart."""
    span = frame.x_to - frame.x_from
    step = max(_nice(span * 90 / frame.width), 1)
    for index in range(int(span / step) + 1):
        x = frame.x(frame.x_from + index * step)
        y = frame.height - frame.bottom
        yield f'<path class="tick" d="M{x} {y}v4"/>'
        yield f'<text class="tick-x" x="{x}" y="{y + 17}">{_short(index * step)} s</text>'


def _decades(frame: Frame) -> Iterator[str]:
    for power in range(-1, 5):
        x = frame.x(power)
        yield f'<path class="grid" d="M{x} {frame.top}V{frame.height - frame.bottom}"/>'
        yield (f'<text class="tick-x" x="{x}" y="{frame.height - 8}">{_ms(10.0**power)}</text>')


LABEL_WIDTH = 88
"""Of the longest, such as "p99.9 96.8 ms"."""


def _quantiles(frame: Frame, latency: Latency, y: int, limit_ms: float | None) -> Iterator[str]:
    at: Callable[[float], float] = lambda ms: frame.x(_decade(ms))  # noqa: E731 - one short name
    marks = (
        ("p50", latency.p50_ms),
        ("p90", latency.p90_ms),
        ("p99", latency.p99_ms),
        ("p99.9", latency.p999_ms),
        ("max", latency.max_ms),
    )
    yield f'<text class="row-name" x="0" y="{y + 4}">{escape(latency.kind)}</text>'
    yield f'<path class="span" d="M{at(latency.p50_ms)} {y}H{at(latency.p999_ms)}"/>'
    yield f'<path class="span-thin" d="M{at(latency.p999_ms)} {y}H{at(latency.max_ms)}"/>'
    if limit_ms is not None:
        x = at(limit_ms)
        yield f'<path class="target" d="M{x} {y - 20}V{y + 16}"/>'
        yield f'<text class="limit-name" x="{x + 5}" y="{y - 12}">limit {_ms(limit_ms)}</text>'
    previous = -math.inf
    for name, ms in marks:
        x = at(ms)
        yield f'<circle class="dot" cx="{x}" cy="{y}" r="{3.2 if name == "max" else 4.6}"/>'
        if x - previous >= LABEL_WIDTH or name == "p99.9":  # labels must not meet
            above = x - previous < LABEL_WIDTH
            label_y = y - 10 if above else y + 19
            yield f'<text class="mark-name" x="{x}" y="{label_y}">{name} {_ms(ms)}</text>'
            previous = previous if above else x


def _decade(ms: float) -> float:
    return math.log10(min(max(ms, DECADE_MIN_MS), DECADE_MAX_MS))


def _runs(
    at_s: Sequence[int], values: Sequence[float | None]
) -> Iterator[list[tuple[float, float]]]:
    """Stretches of consecutive seconds that have a value; one alone is drawn as a short dash."""
    run: list[tuple[float, float]] = []
    for at, value in zip(at_s, values, strict=True):
        if run and (value is None or at - run[-1][0] > 1):
            yield run
            run = []
        if value is not None:
            run.append((at, value))
    if run:
        yield run


def _nice(raw: float) -> float:
    """1, 2 or 5 times a power of ten, at least `raw`."""
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    return next(power * times for times in (1, 2, 5, 10) if power * times >= raw * 0.999)


def _short(value: float) -> str:
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def _ms(ms: float) -> str:
    if ms >= 1_000:
        return f"{ms / 1_000:.3g} s"
    return f"{ms:.3g} ms"
