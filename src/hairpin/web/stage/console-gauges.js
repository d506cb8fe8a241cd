// Counts and gates. A value is marked only when something is wrong now; no colour is there for show.

import { el } from "/shared/dom.js";
import { LAG_TROUBLE_MS, REPORT_TROUBLE_MS } from "/console-model.js";

const GATE_HEADS = ["gate", "incarnation", "connections", "acknowledged", "commit", "latency", "report", "journal"];

export class Gauges {
  #by;
  #language;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
  }

  show(model) {
    const language = this.#language;
    const tally = model.tally;
    const number = (value) => (Number.isFinite(value) ? language.number(Math.round(value)) : language.say("nothing"));
    const lag_ms = model.lag_ms;
    const lag = lag_ms === null ? language.say("nothing") : language.say("lag_value", { s: language.tenths(lag_ms) });
    const rows = [
      ["rate", number(tally?.answers_per_s)],
      ["lag", lag, lag_ms > LAG_TROUBLE_MS],
      ["counted", number(tally?.counted)],
      ["acknowledged", number(tally?.acknowledged)],
      ["journalled", number(tally?.journalled)],
      ["repeats", number(tally?.repeats)],
      ["fans", number(tally?.fans)],
    ];
    this.#by("gauges").replaceChildren(...rows.map(([key, value, trouble]) =>
      el("div", { "data-gauge": key },
        el("dt", {}, language.say(key)), el("dd", { class: trouble ? "trouble" : null }, value))));
    this.#by("refused").replaceChildren(...this.#refused(tally?.refused ?? {}));
  }

  #refused(counts) {
    const refused = Object.entries(counts).sort((one, other) => other[1] - one[1]);
    if (refused.length === 0) return [el("div", {}, el("dt", {}, this.#language.say("refused_none")))];
    return refused.map(([reason, count]) =>
      el("div", {}, el("dt", {}, reason.replaceAll("_", " ")), el("dd", {}, this.#language.number(count))));
  }
}

export class Gates {
  #by;
  #language;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
  }

  show(model, now_ms) {
    const language = this.#language;
    const gates = model.tally?.gates ?? [];
    const none = model.tally !== null && gates.length === 0;
    this.#by("gates-none").hidden = !none;
    this.#by("gates-none").textContent = none ? language.say("no_gates") : "";
    this.#by("gates-heads").replaceChildren(...GATE_HEADS.map((key) => el("th", { scope: "col" }, language.say(key))));
    this.#by("gates-rows").replaceChildren(...gates.map((gate) => this.#row(gate, now_ms)));
  }

  #journal(gate) {
    const lacking = gate.degraded ?? [];
    const without = lacking.length ? this.#language.say("journal_degraded", { where: lacking.join(", ") }) : null;
    const trouble = gate.journal_error ?? without;
    return el("td", { class: trouble ? "trouble" : null }, trouble ?? this.#language.say("journal_ok"));
  }

  #row(gate, now_ms) {
    const language = this.#language;
    const age_ms = Math.max(0, now_ms - gate.at_ms);
    const pair = (half, most) => `${language.tenths(half * 1000)} / ${language.tenths(most * 1000)}`;
    return el("tr", {},
      el("th", { scope: "row" }, String(gate.pid)),
      el("td", {}, String(gate.incarnation)),
      el("td", {}, language.number(gate.connections)),
      el("td", {}, language.number(gate.acknowledged)),
      el("td", {}, pair(gate.commit_ms_p50, gate.commit_ms_p99)),
      el("td", {}, pair(gate.latency_ms_p50, gate.latency_ms_p99)),
      el("td", { class: age_ms > REPORT_TROUBLE_MS ? "trouble" : null },
        language.say("ago", { s: language.number(Math.round(age_ms / 1000)) })),
      this.#journal(gate));
  }
}
