// The four large buttons, and the one that holds the clock; which of them can be pressed follows
// from the running order.

import { el } from "/shared/dom.js";

const NAMES = ["open", "close", "reveal"];

export class StepButtons {
  #by;
  #language;
  #steps;
  #drawn = "";

  constructor(by, language, steps) {
    this.#by = by;
    this.#language = language;
    this.#steps = steps;
  }

  show(model) {
    const { steps, mayAnnounce } = model;
    const key = JSON.stringify([...NAMES.map((name) => steps[name]?.index ?? null), mayAnnounce, this.#language.own]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const held = document.activeElement?.dataset.key;
    const likely = ["close", "reveal"].find((name) => steps[name]) ?? (mayAnnounce ? "announce" : "open");
    const buttons = NAMES.map((name) => this.#button(name, steps[name] !== null, likely, model));
    this.#by("steps").replaceChildren(...buttons, this.#button("announce", mayAnnounce, likely, model));
    if (held) this.#by("steps").querySelector(`[data-key="${held}"]`)?.focus();
  }

  /** The first of two presses; nothing happens where the step is not possible now. */
  press(name, model) {
    const say = (key, values) => this.#language.say(key, values);
    if (name === "announce") {
      if (model.mayAnnounce) this.#steps.ask({ do: "announce" }, say("announce"), say("announce_sure"));
      return;
    }
    const cue = model.steps[name];
    if (cue === null) return;
    const n = { n: cue.index + 1 };
    this.#steps.ask({ do: name, question: cue.index }, say(name, n), say(`${name}_sure`, n));
  }

  #button(name, allowed, likely, model) {
    const cue = name === "announce" ? null : model.steps[name];
    const words = cue ? this.#language.say(name, { n: cue.index + 1 })
      : this.#language.say(name === "announce" ? "announce" : `none_${name}`);
    return el("button", {
      type: "button", "data-key": `step-${name}`, class: name === likely && allowed ? "primary" : "quiet",
      disabled: !allowed, onclick: () => this.press(name, model),
    }, words, " ", el("kbd", {}, name[0].toUpperCase()));
  }
}

/** Holds the clock, or arms it again; that it is held must not be overlooked. */
export class HoldButton {
  #by;
  #language;
  #steps;
  #drawn = "";

  constructor(by, language, steps) {
    this.#by = by;
    this.#language = language;
    this.#steps = steps;
  }

  show(model, now_ms) {
    const key = `${model.clock} ${this.#language.own}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    const held = model.clock === "held";
    const button = this.#by("hold-button");
    this.#by("hold").dataset.held = String(held);
    this.#by("hold-state").textContent = held ? this.#language.say("held") : "";
    button.hidden = model.clock === null;
    button.className = held ? "primary" : "quiet";
    button.replaceChildren(this.#language.say(held ? "arm" : "hold"), " ", el("kbd", {}, "H"));
    button.onclick = () => this.press(model, now_ms());
  }

  /** The first of two presses. */
  press(model, now_ms) {
    const say = (key, values) => this.#language.say(key, values);
    if (model.clock === "armed") this.#steps.ask({ do: "hold" }, say("hold"), say("hold_sure"));
    if (model.clock !== "held") return;
    const { index, due_at } = model.cue("waiting");
    const sure = due_at <= now_ms ? "arm_sure_overdue" : "arm_sure";
    this.#steps.ask({ do: "arm" }, say("arm"), say(sure, { n: index + 1, time: this.#language.time(due_at) }));
  }
}
