// The question on show: its state in large type, its time, its counts, and the next step.

import { el } from "/shared/dom.js";
import { bits, letter } from "/stage-language.js";
import { Hairpin } from "/wall-hairpin.js";

const HAIRPIN = { width: 900, height: 120, left: 4, right: 896 };
const BY_HAND_MS = 30_000;

export class NowPart {
  #by;
  #language;
  #hairpin;
  #drawn = null;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
    this.#hairpin = new Hairpin(by("hairpin"));
    this.#hairpin.resize(HAIRPIN);
  }

  show(model) {
    const cue = model.current;
    const state = cue ? this.#language.say("question_state", { n: cue.index + 1, state: this.#language.say(`state_${cue.state}`) })
      : this.#language.say("before");
    if (this.#by("now-state").textContent !== state) this.#by("now-state").textContent = state;
    this.#by("now-state").dataset.state = cue?.state ?? "waiting";
    this.#language.put(this.#by("now-text"), cue?.text ?? model.show.title);
    this.#by("hairpin").parentElement.hidden = cue === null;
    this.#choices(cue, cue ? model.counts(cue.index) : null);
    if (cue?.index !== this.#drawn) this.#hairpin.clear();
    this.#drawn = cue?.index;
  }

  #choices(cue, counts) {
    const language = this.#language;
    this.#by("choices-heads").parentElement.parentElement.hidden = cue === null;
    this.#by("now-status").textContent = "";
    if (cue === null) return;
    this.#by("choices-heads").replaceChildren(...["choice", "answers", "share"].map((key) => el("th", { scope: "col" }, language.say(key))));
    this.#by("choices-rows").replaceChildren(...cue.choices.map((choice, index) => {
      const right = bits(cue.right).includes(index);
      const words = el("span");
      language.put(words, choice.text);
      const votes = counts?.by_choice?.[index] ?? 0;
      const bar = el("i");
      bar.style.inlineSize = `${counts?.answers ? ((100 * votes) / counts.answers).toFixed(3) : 0}%`;
      return el("tr", { class: right ? "right" : null },
        el("th", { scope: "row" }, `${letter(index)} `, words, right ? el("span", { class: "tick" }, ` ✓ ${language.say("hidden_until")}`) : null),
        el("td", {}, language.number(votes)),
        el("td", {}, language.share(votes, counts?.answers ?? 0), el("span", { class: "track", "aria-hidden": "true" }, bar)));
    }));
    if (counts) this.#by("now-status").textContent = this.#status(counts, cue);
  }

  #status(counts, cue) {
    const language = this.#language;
    const words = [language.say("answers_total", { n: language.number(counts.answers) })];
    if (cue.right !== 0) words.push(language.say("right_total", { share: language.share(counts.right, counts.answers) }));
    words.push(language.say(`status_${counts.status}`));
    if (counts.version > 1) words.push(`${language.say("version", { n: counts.version })}: ${counts.reason}`);
    if (cue.state !== "open" && counts.missing.length > 0) words.push(language.say("missing", { n: counts.missing.join(", ") }));
    return words.join(" · ");
  }

  tick(model, now_ms) {
    const language = this.#language;
    const cue = model.current;
    const { next_at, state } = model.order;
    let words = next_at === null ? language.say(model.cue("waiting") ? "next_hand" : "none_left") : language.say("next_in", { time: language.clock(next_at - now_ms) });
    if (state === "over") words = language.say("over");
    if (cue?.state === "open") words = cue.closes_at === null ? language.say("by_hand") : language.say("closes_in", { time: language.clock(cue.closes_at - now_ms) });
    if (this.#by("now-time").textContent !== words) this.#by("now-time").textContent = words;
    if (cue && cue.opened_at !== null) this.#draw(model, cue, now_ms);
  }

  #draw(model, cue, now_ms) {
    const open = cue.state === "open";
    const points = model.tally?.question?.index === cue.index ? model.tally.rate_history ?? [] : [];
    const elapsed_ms = Math.max(0, now_ms - cue.opened_at);
    const span_ms = cue.closes_at !== null ? Math.max(1, cue.closes_at - cue.opened_at) : Math.max(BY_HAND_MS, elapsed_ms * 1.15);
    this.#hairpin.draw({ points, span_ms, closed: !open, elapsed_ms: open ? elapsed_ms : span_ms });
    const label = this.#language.say("hairpin", { peak: this.#language.number(Math.round(this.#hairpin.peak.rate)) });
    if (!open || !this.#by("hairpin").getAttribute("aria-label")) this.#by("hairpin").setAttribute("aria-label", label);
  }
}

/** The four large buttons; which of them can be pressed follows from the running order. */
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
    const { steps } = model;
    const likely = steps.close ? "close" : steps.reveal ? "reveal" : model.mayAnnounce ? "announce" : "open";
    const key = JSON.stringify([steps.open?.index, steps.close?.index, steps.reveal?.index, model.mayAnnounce, this.#language.own]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const held = document.activeElement?.dataset.key;
    this.#by("steps").replaceChildren(
      ...["open", "close", "reveal"].map((name) => this.#button(name, steps[name] !== null, steps[name] ? { n: steps[name].index + 1 } : null, likely, model)),
      this.#button("announce", model.mayAnnounce, {}, likely, model));
    if (held) this.#by("steps").querySelector(`[data-key="${held}"]`)?.focus();
  }

  #button(name, allowed, values, likely, model) {
    const words = values ? this.#language.say(name, values) : this.#language.say(`none_${name}`);
    return el("button", {
      type: "button", "data-key": `step-${name}`, class: name === likely && allowed ? "primary" : "quiet", disabled: !allowed,
      onclick: () => this.press(name, model),
    }, words, " ", el("kbd", {}, name[0].toUpperCase()));
  }

  /** The first of two presses. */
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
}
