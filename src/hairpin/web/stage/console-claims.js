// Contenders: both clocks of each answer, then approve or strike.

import { el } from "/shared/dom.js";

const HEADS = ["rank", "fan", "score", "total", "name", "status", "clocks", "decide"];
const CLOCK_HEADS = ["clock_question", "clock_received", "clock_phone", "clock_gap"];
const MAY_STRIKE = ["reserve", "open", "claimed", "approved", "missed"];

export class Claims {
  #by;
  #language;
  #steps;
  #ask;
  #drawn = "";

  constructor(by, language, steps, ask) {
    this.#by = by;
    this.#language = language;
    this.#steps = steps;
    this.#ask = ask;
  }

  show(model) {
    const claims = model.order.claims ?? [];
    const key = JSON.stringify([claims, model.order.contenders, this.#language.own]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const language = this.#language;
    const deadline = model.order.contenders?.deadline_at;
    this.#by("claims-none").textContent = claims.length === 0 ? language.say("claims_none")
      : deadline ? language.say("deadline", { time: language.time(deadline) }) : "";
    this.#by("claims-wide").hidden = claims.length === 0;
    this.#by("claims-heads").replaceChildren(...this.#heads(HEADS));
    const rows = this.#by("claims-rows");
    const held = document.activeElement?.dataset.key;
    const opened = new Set([...rows.querySelectorAll("details[open]")].map((details) => details.dataset.fan));
    rows.replaceChildren(...claims.map((claim) => this.#row(claim, model, opened)));
    if (held) rows.querySelector(`[data-key="${held}"]`)?.focus();
  }

  #heads(keys) {
    return keys.map((key) => el("th", { scope: "col" }, this.#language.say(key)));
  }

  #row(claim, model, opened) {
    const language = this.#language;
    return el("tr", { "data-fan": claim.fan, "data-status": claim.status },
      el("td", {}, language.number(claim.rank)),
      el("th", { scope: "row" }, String(claim.fan)),
      el("td", {}, `${claim.right} / ${model.show.questions}`),
      el("td", {}, language.say("seconds", { s: language.seconds(claim.total_ms) })),
      el("td", { class: "name" }, claim.name ?? language.say("nothing")),
      el("td", {}, language.say(`claim_${claim.status}`)),
      el("td", {}, this.#clocks(claim, opened)),
      el("td", {}, this.#decide(claim)));
  }

  #clocks(claim, opened) {
    const language = this.#language;
    const time = (ms) => language.say("seconds", { s: language.seconds(ms) });
    const gap = (clock) => clock.received_ms - clock.elapsed_ms;
    const widest = Math.max(0, ...claim.clocks.map(gap));
    return el("details", { "data-fan": claim.fan, open: opened.has(String(claim.fan)) },
      el("summary", { "data-key": `clocks-${claim.fan}` }, `${language.say("clock_gap")} ≤ ${time(widest)}`),
      el("table", {},
        el("caption", { class: "unseen" }, language.say("clocks_of", { n: claim.fan })),
        el("thead", {}, el("tr", {}, ...this.#heads(CLOCK_HEADS))),
        el("tbody", {}, ...claim.clocks.map((clock) => el("tr", {},
          el("th", { scope: "row" }, String(clock.index + 1)),
          ...[clock.received_ms, clock.elapsed_ms, gap(clock)].map((ms) => el("td", {}, time(ms))))))));
  }

  #decide(claim) {
    const approve = () => this.#steps.ask(
      { do: "approve", fan: claim.fan },
      `${this.#language.say("approve")} ${claim.name}`,
      this.#language.say("approve_sure", { name: claim.name }));
    return el("div", { class: "row" },
      this.#button("approve", claim, claim.status === "claimed", approve, {}),
      this.#button("strike", claim, MAY_STRIKE.includes(claim.status), () => this.#ask.strike(claim.fan), {
        "aria-haspopup": "dialog",
      }));
  }

  #button(key, claim, allowed, onclick, more) {
    return el("button",
      { type: "button", class: "quiet", "data-key": `${key}-${claim.fan}`, disabled: !allowed, onclick, ...more },
      this.#language.say(key), el("span", { class: "unseen" }, ` ${this.#language.say("fan")} ${claim.fan}`));
  }
}
