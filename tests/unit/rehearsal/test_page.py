"""The page of a certificate: whole, safe from what stands in a show file, honest about trouble."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from rehearsed import FANS, QUESTIONS, STARTED_MS, findings, inside, series
from small_show import make_show

from hairpin.rehearsal import page_charts as charts
from hairpin.rehearsal.certificate import Machine, Signed, certify, facts
from hairpin.rehearsal.findings import Findings, Latency, Rate, Series
from hairpin.rehearsal.page import page

VOID = {"meta", "br", "path", "circle"}
MACHINE = Machine("quiz-1", "A processor", 2, 8 << 30, "Linux 6.1", "CPython 3.11")
NOTHING = Series()


def drawn(found: Findings, title: str = "A small show") -> str:
    show = make_show(QUESTIONS, audience_low=1_000, audience_high=FANS, title={"en": title})
    certified = facts(show, "0.1.0", "c0de", {"gates": 2, "public_url": ""})
    made = certify(show, certified, MACHINE, found, STARTED_MS)
    signed = Signed(made, "ab" * 32)
    return page(signed.certificate, signed.public_key, "body { margin: 0; }")


class Balance(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(text: str) -> list[str]:
    reader = Balance()
    reader.feed(text)
    assert not reader.open
    return reader.seen


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = drawn(findings())
    seen = elements(text)
    assert seen.count("svg") >= 7
    assert not {"script", "link", "img", "iframe", "use"} & set(seen)
    assert not re.search(r"(src|href|url)\s*[=(]", text.replace("http-equiv", ""))
    assert "default-src 'none'" in text
    assert text.count("<h1>") == 1


def test_texts_of_the_show_and_options_are_escaped() -> None:
    evil = '<script>alert("1")</script>&'
    found = findings(
        options={"url": evil},
        url=evil,
        refused={evil: 3},
        ledger=inside(findings().ledger, balanced=False, problems=(evil,)),
        latencies=(Latency(evil, 1, 1.0, 1.0, 1.0, 1.0, 1.0),),
        rates=(Rate(evil, 1.0, 1.0),),
    )
    text = drawn(found, title=evil)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;") >= 6
    elements(text)


def test_a_go_has_no_obstacles_and_a_no_go_names_each() -> None:
    assert "What stands in the way" not in drawn(findings())
    text = drawn(findings(fans=10, generator=inside(findings().generator, behind_ms_p99=900.0)))
    assert 'data-verdict="no-go"' in text
    assert text.count('class="limit"') == 2
    assert "<h3>generator <i>inconclusive</i></h3>" in text
    assert "what would lift it" in text


def test_numbers_that_were_not_measured_are_not_invented() -> None:
    bare: dict[str, Any] = {
        "series": NOTHING,
        "latencies": (),
        "rates": (),
        "wall_lag_p99_ms": None,
        "refused": {},
        "gate": inside(
            findings().gate,
            cpu_us_per_answer=None,
            capacity_answers_per_s_per_core=None,
            memory_peak_bytes=None,
        ),
        "ledger": inside(findings().ledger, checked="crowd", journalled=None),
    }
    text = drawn(findings(**bare))
    elements(text)
    assert text.count("not measured") >= 4
    assert "not watched" in text
    assert "<figure" not in text


# --- charts ---------------------------------------------------------------------------------------


def test_the_busiest_burst_is_cut_out_with_its_quiet_ends() -> None:
    quiet = series(fans=100, questions=1)
    loud = series(questions=1)
    both = Series(
        at_s=(*quiet.at_s, *(at + 100 for at in loud.at_s)),
        offered=(*quiet.offered, *loud.offered),
        acknowledged=(*quiet.acknowledged, *loud.acknowledged),
        refused=(*quiet.refused, *loud.refused),
        joins=(0,) * 40,
        now_requests=(0,) * 40,
        wall_lag_ms=(None,) * 40,
        gate_cores=(None,) * 40,
    )
    burst = charts.busiest(both)
    assert burst is not None
    assert burst.from_s >= 100
    assert max(burst.offered) == max(loud.offered)
    assert burst.offered[-1] <= max(loud.offered) * charts.QUIET_SHARE
    assert charts.busiest(NOTHING) is None


def test_the_scales_hold_all_that_is_drawn() -> None:
    burst = charts.busiest(series())
    assert burst is not None
    for text in (
        charts.burst_chart(burst, 9_000.0),
        charts.whole_chart(series()),
        charts.latency_chart(findings().latencies, {"answers": 250.0}),
        charts.level_chart((1, 2, 5), (1.0, None, 3.0), 2.0, "A measure", " ms"),
        charts.level_chart((1,), (0.0,), None, "A measure", ""),
    ):
        width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', text)[0])
        points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", text)
        assert points
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)
        assert "nan" not in text
        assert "aria-label" in text


def test_a_second_without_a_measure_leaves_a_gap() -> None:
    text = charts.level_chart((1, 2, 3, 4, 5), (1.0, 2.0, None, 1.0, 2.0), None, "M", "")
    assert text.count('class="line"') == 2


def test_a_long_rehearsal_keeps_its_busiest_seconds() -> None:
    seconds = range(5_000)
    rate = [7_777 if at == 4_321 else 1 for at in seconds]
    zeros, nothing = (0,) * 5_000, (None,) * 5_000
    long = Series(tuple(seconds), tuple(rate), tuple(rate), *(zeros,) * 3, nothing, nothing)
    text = charts.whole_chart(long)
    assert len(text) < 40_000
    peak = min(float(y) for y in re.findall(r"V([\d.]+)h", text))
    assert peak == 4.0, "the peak reaches the top of the strip"


def test_a_series_with_columns_of_different_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Series(at_s=(1, 2), offered=(1,))
