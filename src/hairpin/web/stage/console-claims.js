// Contenders: both clocks of each answer, then approve or strike.

import { el } from "/shared/dom.js";

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
    this.#by("claims-heads").replaceChildren(...["rank", "fan", "score", "total", "name", "status", "clocks", "decide"].map((head) =>
      el("th", { scope: "col" }, language.say(head))));
    const held = document.activeElement?.dataset.key;
    const opened = new Set([...this.#by("claims-rows").querySelectorAll("details[open]")].map((details) => details.dataset.fan));
    this.#by("claims-rows").replaceChildren(...claims.map((claim) => this.#row(claim, model, opened)));
    if (held) this.#by("claims-rows").querySelector(`[data-key="${held}"]`)?.focus();
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
    const gap = Math.max(0, ...claim.clocks.map((clock) => clock.received_ms - clock.elapsed_ms));
    const heads = ["clock_question", "clock_received", "clock_phone", "clock_gap"];
    return el("details", { "data-fan": claim.fan, open: opened.has(String(claim.fan)) },
      el("summary", { "data-key": `clocks-${claim.fan}` }, `${language.say("clock_gap")} ≤ ${language.say("seconds", { s: language.seconds(gap) })}`),
      el("table", {},
        el("caption", { class: "unseen" }, language.say("clocks_of", { n: claim.fan })),
        el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, language.say(head))))),
        el("tbody", {}, ...claim.clocks.map((clock) => el("tr", {},
          el("th", { scope: "row" }, String(clock.index + 1)),
          ...[clock.received_ms, clock.elapsed_ms, clock.received_ms - clock.elapsed_ms].map((ms) =>
            el("td", {}, language.say("seconds", { s: language.seconds(ms) }))))))));
  }

  #decide(claim) {
    const language = this.#language;
    const approve = () => this.#steps.ask({ do: "approve", fan: claim.fan },
      `${language.say("approve")} ${claim.name}`, language.say("approve_sure", { name: claim.name }));
    return el("div", { class: "row" },
      el("button", { type: "button", class: "quiet", "data-key": `approve-${claim.fan}`, disabled: claim.status !== "claimed", onclick: approve },
        language.say("approve"), el("span", { class: "unseen" }, ` ${language.say("fan")} ${claim.fan}`)),
      el("button", { type: "button", class: "quiet", "data-key": `strike-${claim.fan}`, "aria-haspopup": "dialog", disabled: !MAY_STRIKE.includes(claim.status), onclick: () => this.#ask.strike(claim.fan) },
        language.say("strike"), el("span", { class: "unseen" }, ` ${language.say("fan")} ${claim.fan}`)));
  }
}
