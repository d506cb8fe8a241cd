"""A certificate as one page for people: self-contained HTML, for screen and paper. Pure.

Nothing is fetched and nothing runs: a content security policy in the page forbids both. Every text
that came from a show file, an option or a machine is escaped on its way in.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from hairpin.rehearsal import page_charts as charts
from hairpin.rehearsal.certificate import Certificate, key_name
from hairpin.rehearsal.findings import Findings, Rate
from hairpin.rehearsal.verdict import (
    ANSWER_P999_MS,
    JOIN_P999_MS,
    RULES,
    WALL_LAG_P99_MS,
    Limit,
    cores_needed,
)

Row = tuple[str, str]

MARK = (
    '<svg viewBox="0 0 128 64" aria-hidden="true">'
    '<path class="mark" d="M56 6 6 32l50 26M72 6l50 26-50 26"/></svg>'
)
ARM_LEFT = (
    '<svg viewBox="0 0 60 64" aria-hidden="true"><path class="mark" d="M56 6 6 32l50 26"/></svg>'
)
ARM_RIGHT = (
    '<svg viewBox="0 0 60 64" aria-hidden="true"><path class="mark" d="M4 6l50 26L4 58"/></svg>'
)
HASH_SHOWN = 12
"""Hex digits; the file has all of them."""
LIMITS_MS = {"answers": ANSWER_P999_MS, "joins": JOIN_P999_MS}


def page(certificate: Certificate, public_key: str, style: str) -> str:
    """The whole document. `public_key`: hex, of the installation that signed; `style`: its CSS."""
    found = certificate.findings
    body = "".join(
        (
            _top(certificate),
            _hero(certificate),
            _numbers(found),
            _limits(certificate.verdict.limits),
            _charts(found),
            _facts(certificate),
            _foot(certificate, public_key),
        )
    )
    title = escape(f"{certificate.verdict.word}: {certificate.title}, {certificate.dated}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _top(certificate: Certificate) -> str:
    return (
        f'<header class="top">{MARK}<b>Hairpin</b> certificate of a rehearsal '
        f"<code>{escape(certificate.id)}</code><time>{escape(certificate.dated)}</time></header>"
    )


def _hero(certificate: Certificate) -> str:
    word = certificate.verdict.word
    burst = charts.busiest(certificate.findings.series)
    swell = ""
    if burst is not None:
        swell = (
            '<svg class="swell" viewBox="0 0 900 300" preserveAspectRatio="none" '
            f'aria-hidden="true"><path d="{charts.swell(burst, 900, 300)}"/></svg>'
        )
    return (
        f'<div class="hero" data-verdict="{word}">{swell}<h1>{escape(certificate.title)}</h1>'
        f'<p class="verdict">{ARM_LEFT}<span>{word}</span>{ARM_RIGHT}</p>'
        f'<p class="say">{escape(certificate.verdict.summary)}</p></div>'
    )


def _numbers(found: Findings) -> str:
    answers, latency = found.rate("answers"), found.latency("answers")
    capacity = found.gate.capacity_answers_per_s_per_core
    cells = [
        ("fans", f"{found.fans:,}", f"in {found.window_s:g} s for each question"),
        ("answers per second", _reached(answers), _target(answers)),
        (
            "acknowledged within",
            "not measured" if latency is None else f"{latency.p999_ms:,.0f} ms",
            "99.9 % of all answers",
        ),
        (
            "wall",
            "not watched" if found.wall_lag_p99_ms is None else f"{found.wall_lag_p99_ms:,.0f} ms",
            "behind, 99 % of the time",
        ),
        (
            "ledger",
            "balances" if found.ledger.balanced else "does not balance",
            "as sets" if found.ledger.checked == "full" else "only the crowd's side",
        ),
        (
            "one core takes",
            "not measured" if capacity is None else f"{capacity:,.0f}/s",
            "answers, for planning",
        ),
    ]
    return (
        '<dl class="numbers">'
        + "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
            for name, value, note in cells
        )
        + "</dl>"
    )


def _reached(rate: Rate | None) -> str:
    return "none" if rate is None else f"{rate.reached_per_s:,.0f}"


def _target(rate: Rate | None) -> str:
    return "" if rate is None else f"of {rate.target_per_s:,.0f} in the busiest second"


def _limits(limits: tuple[Limit, ...]) -> str:
    if not limits:
        return ""
    cards = "".join(
        f'<div class="limit"><h3>{escape(limit.rule)}'
        f"{' <i>inconclusive</i>' if limit.inconclusive else ''}</h3>"
        f"<p><span>found</span>{escape(limit.found)}</p>"
        f"<p><span>needed</span>{escape(limit.needed)}</p>"
        f"<p><span>what would lift it</span>{escape(limit.lift)}</p></div>"
        for limit in limits
    )
    return f'<section class="limits"><h2>What stands in the way</h2>{cards}</section>'


def _charts(found: Findings) -> str:
    series, figures = found.series, []
    burst, target = charts.busiest(series), found.rate("answers")
    if burst is not None:
        key = (
            '<span class="key"><i></i>acknowledged<i class="offered-key"></i>offered'
            '<i class="refused-key"></i>refused</span>'
        )
        drawn = charts.burst_chart(burst, target.target_per_s if target else 0)
        figures.append(_figure(f"<span>The busiest burst</span>{key}", drawn))
        if len(series.at_s) > len(burst.offered):
            strip = charts.whole_chart(series)
            figures.append(_figure("The whole rehearsal, pauses compressed", strip, "strip"))
    if found.latencies:
        drawn = charts.latency_chart(found.latencies, LIMITS_MS)
        figures.append(_figure("How long phones waited", drawn))
    pair = []
    if any(value is not None for value in series.wall_lag_ms):
        lag = charts.level_chart(series.at_s, series.wall_lag_ms, WALL_LAG_P99_MS, "Wall", " ms")
        pair.append(_figure("How old the wall's picture was", lag))
    if any(value is not None for value in series.gate_cores):
        cores = charts.level_chart(series.at_s, series.gate_cores, None, "Cores of all gates", "")
        pair.append(_figure("Cores that the gates used", cores))
    if pair:
        figures.append(f'<div class="pair">{"".join(pair)}</div>')
    return f'<section class="charts">{"".join(figures)}</section>' if figures else ""


def _figure(caption: str, drawn: str, kind: str = "chart") -> str:
    return f'<figure class="{kind}"><figcaption>{caption}</figcaption>{drawn}</figure>'


def _facts(certificate: Certificate) -> str:
    found, facts = certificate.findings, certificate.facts
    tables = (
        _table("The same on the night, or it is not armed", _pinned(certificate)),
        _table("Configuration in force", [(k, _plain(v)) for k, v in facts.configuration.items()]),
        _table("Machine", _machine(certificate)),
        _table("Options of the rehearsal", [(k, _plain(v)) for k, v in found.options.items()]),
        _table("Busiest second of each kind", _rates(found)),
        _refusals(found),
        _table("Ledger", _ledger(found)),
        _table("Node", _node(found)),
        _table("Crowd", _crowd(found)),
        _table("Rules", [(name, why) for name, why, _ in RULES], "rules"),
    )
    return (
        "<section><h2>What was run, and what came out</h2>"
        f'<div class="facts">{"".join(tables)}</div></section>'
    )


def _pinned(certificate: Certificate) -> list[Row]:
    facts, hashes = certificate.facts, certificate.hashes
    audience = facts.audience
    return [
        ("version", f"Hairpin {facts.version}, {hashes.version[:HASH_SHOWN]}"),
        ("schedule", f"{len(facts.schedule.questions)} questions, {hashes.schedule[:HASH_SHOWN]}"),
        ("audience", f"{audience.low:,} to {audience.high:,} fans, {hashes.audience[:HASH_SHOWN]}"),
        ("configuration", f"as below, {hashes.configuration[:HASH_SHOWN]}"),
    ]


def _machine(certificate: Certificate) -> list[Row]:
    machine = certificate.machine
    return [
        ("host", machine.host),
        ("processor", machine.cpu),
        ("cores", str(machine.cores)),
        ("memory", f"{machine.memory_bytes / 2**30:,.1f} GiB"),
        ("system", f"{machine.kernel}, {machine.python}"),
    ]


def _rates(found: Findings) -> list[Row]:
    return [
        (rate.kind, f"{rate.reached_per_s:,.0f}/s of {rate.target_per_s:,.0f}/s")
        for rate in found.rates
    ]


def _refusals(found: Findings) -> str:
    """Answers by reason, with bars; honest ones in the colour of trouble."""
    most = max(found.refused.values(), default=0)
    if not most and not found.joins_refused:
        return _table("Refused", [("answers and joins", "none")])
    rows = []
    for why, times in sorted(found.refused.items(), key=lambda item: -item[1]):
        honest = found.refused_honest.get(why, 0)
        note = f"{times:,}" + (f", of them {honest:,} honest" if honest else "")
        kind = "bar honest" if honest else "bar"
        bar = f'<span class="{kind}" style="inline-size:{100 * times / most:.1f}%"></span>'
        rows.append(f"<tr><th>{escape(why)}</th><td>{escape(note)}{bar}</td></tr>")
    for why, times in sorted(found.joins_refused.items()):
        rows.append(f"<tr><th>join: {escape(why)}</th><td>{times:,}</td></tr>")
    caption = "Refused, by reason; late and hostile fans should be"
    return f"<table><caption>{caption}</caption>{''.join(rows)}</table>"


def _ledger(found: Findings) -> list[Row]:
    ledger = found.ledger
    rows = [
        ("sent", f"{ledger.sent:,}"),
        ("acknowledged", f"{ledger.acknowledged:,}"),
        ("refused", f"{ledger.refused:,}"),
        ("unanswered", f"{ledger.unanswered:,}"),
    ]
    for name in ("journalled", "counted", "repeats"):
        value = getattr(ledger, name)
        rows.append((name, "not known" if value is None else f"{value:,}"))
    return rows + [(f"problem {n}", text) for n, text in enumerate(ledger.problems, start=1)]


def _node(found: Findings) -> list[Row]:
    gate, cores = found.gate, cores_needed(found)
    cost = gate.cpu_us_per_answer
    memory = gate.memory_peak_bytes
    return [
        ("gates", str(gate.gates)),
        ("CPU for one answer", "not measured" if cost is None else f"{cost:,.2f} us"),
        ("cores for gates at the target", "not known" if cores is None else str(cores)),
        ("connections at most", f"{gate.connections_peak:,}"),
        ("memory at most", "not measured" if memory is None else f"{memory / 2**20:,.0f} MiB"),
        ("front door", f"{found.url}{' with TLS' if found.tls else ''}"),
    ]


def _crowd(found: Findings) -> list[Row]:
    crowd = found.generator
    return [
        ("processes", f"{crowd.processes}{', on the same machine' if crowd.same_machine else ''}"),
        ("later than planned (p99)", f"{crowd.behind_ms_p99:,.1f} ms"),
        ("cores at most", f"{crowd.cores_peak:.2f}"),
        ("retries, duplicates", f"{found.retries:,}, {found.duplicates:,}"),
        ("connections broken on purpose", f"{found.dropped:,}"),
        ("answers given up", f"{found.given_up:,}"),
        ("forged, and accepted", f"{found.forged:,}, {found.forged_accepted:,}"),
        ("seconds", f"{(found.ended_ms - found.started_ms) / 1000:,.0f}"),
    ]


def _table(caption: str, rows: Iterable[Row], kind: str = "plain") -> str:
    lines = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    if not lines:
        return ""
    return f'<table class="{kind}"><caption>{escape(caption)}</caption>{lines}</table>'


def _plain(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _foot(certificate: Certificate, public_key: str) -> str:
    file = escape(f"{certificate.name}.json")
    return (
        f"<footer>This page is a picture of <code>{file}</code>, which is signed with the "
        f"installation's key <code>{escape(key_name(public_key))}</code>. The file counts, not the "
        f"page: <code>hairpin certificate check {file}</code></footer>"
    )
