// The running order as a list; the chosen question shows what can be repaired about it.

import { el } from "/shared/dom.js";
import { repairs } from "/console-model.js";
import { bits, letter } from "/stage-language.js";

export class OrderList {
  #by;
  #language;
  #ask;
  #drawn = "";
  #chosen = null;

  constructor(by, language, ask) {
    this.#by = by;
    this.#language = language;
    this.#ask = ask;
  }

  show(model, choose) {
    const key = JSON.stringify([model.cues, model.chosen, this.#language.own]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const held = document.activeElement?.dataset.key;
    this.#by("order").replaceChildren(...model.cues.map((cue) => this.#item(model, cue, choose)));
    const list = this.#by("order");
    if (held) list.querySelector(`[data-key="${held}"]`)?.focus();
    if (model.chosen === this.#chosen) return;
    this.#chosen = model.chosen;
    // A night may have more questions than fit: the list moves, the page does not.
    const item = list.children[model.chosen];
    const above = item.offsetTop - list.offsetTop - list.scrollTop;
    if (above < 0 || above + item.offsetHeight > list.clientHeight) list.scrollTop += above - list.clientHeight / 3;
  }

  #item(model, cue, choose) {
    const chosen = cue.index === model.chosen;
    const words = el("span", { class: "text" });
    this.#language.put(words, cue.text);
    const button = el("button", {
      type: "button", class: "cue", "data-key": `cue-${cue.index}`, "aria-pressed": String(chosen),
      onclick: () => choose(cue.index),
    },
      el("span", { class: "number" }, String(cue.index + 1)), words,
      el("span", { class: "state", "data-state": cue.state }, this.#language.say(`state_${cue.state}`)),
      el("span", { class: "facts" }, this.#facts(cue)));
    return el("li", { "data-state": cue.state, "aria-current": cue.index === model.current?.index ? "step" : null },
      button, chosen && cue.told ? this.#told(cue.told) : null, chosen ? this.#repairs(cue) : null);
  }

  #facts(cue) {
    const at = (key, ms) => this.#language.say(key, { time: this.#language.time(ms) });
    const times = [];
    if (cue.opened_at !== null) times.push(at("opened", cue.opened_at));
    else times.push(cue.due_at === null ? this.#language.say("hand") : at("due", cue.due_at));
    const closes = cue.opened_at !== null && cue.closes_at !== null;
    if (closes) times.push(at(cue.state === "open" ? "closes" : "closed", cue.closes_at));
    const letters = bits(cue.right).map(letter).join(" ");
    times.push(letters === "" ? this.#language.say("poll") : this.#language.say("right", { letters }));
    return times.join(" · ");
  }

  // What an outsider needs who wants to verify the result; to be copied, so in one piece.
  #told(told) {
    const words = this.#language.say("told", { n: told.version, time: this.#language.time(told.at) });
    return el("p", { class: "told" }, words, " ", el("code", {}, told.head));
  }

  #repairs(cue) {
    const may = repairs(cue);
    const button = (key, allowed) => el("button", {
      type: "button", class: "quiet", "data-key": `${key}-${cue.index}`, "aria-haspopup": "dialog",
      disabled: !allowed, onclick: () => this.#ask[key](cue),
    }, this.#language.say(key, { n: cue.index + 1 }));
    return el("div", { class: "row repairs" }, button("correct", may.correct), button("void", may.void));
  }
}
